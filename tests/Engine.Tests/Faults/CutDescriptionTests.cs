using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Files;
using PsMigrate.Engine.Tests.Qemu;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>
/// The end of a stream to a real QEMU is cut within the description, which it can do without, and the way back lives: it runs the guest.
/// </summary>
public sealed class CutDescriptionTests : IDisposable
{
    readonly Folder _folder = new();

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_QEMU_runs_the_guest_and_the_source_does_not_claim_to_have_it(string binary)
    {
        var options = new QemuOptions(binary) { Machine = "pc", Program = new() { First = 16 << 20, Pages = 64, Seed = 9 } };
        var guest = Capture(options);
        var length = Length(guest, options);
        guest.Resume(force: true);
        using var destination = new QemuMachine(options.Awaiting());
        using var cut = new FaultProxy(MigrationUri.Parse(destination.Listen()), new LinkFault(LinkFaultKind.HalfClose, length - 1000));
        var result = Migrate(guest, cut);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.InDoubt), (result.State, result.Location));
        Assert.Equal(MigrationErrorId.HandoverInDoubt, result.Error!.Id);
        Assert.Equal(GuestState.InDoubt, guest.State);
        Poll.Until(() => destination.RunState == "running", "the guest runs at the destination");
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void One_that_waits_to_be_told_does_not_run_it(string binary)
    {
        var options = new QemuOptions(binary) { Machine = "pc", Program = new() { First = 16 << 20, Pages = 64, Seed = 9 } };
        var guest = Capture(options);
        var length = Length(guest, options);
        guest.Resume(force: true);
        using var destination = new QemuMachine(options.Awaiting());
        using var cut = new FaultProxy(MigrationUri.Parse(destination.Listen()), new LinkFault(LinkFaultKind.HalfClose, length - 1000));
        var result = Migrate(guest, cut, destination);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal(MigrationErrorId.DestinationFailed, result.Error!.Id);
        Assert.NotEqual("running", destination.RunState);
    }

    /// <summary>Of its stream, which a QEMU takes whole.</summary>
    static long Length(MemoryGuest guest, QemuOptions options)
    {
        using var whole = new QemuMachine(options.Awaiting());
        var sent = new BytesWriter();
        using var proxy = new FaultProxy(MigrationUri.Parse(whole.Listen())) { Forward = sent };
        Assert.Equal(GuestLocation.Destination, Migrate(guest, proxy).Location);
        return sent.Written.Length;
    }

    MemoryGuest Capture(QemuOptions options)
    {
        using var source = new QemuMachine(options);
        source.WaitForCounter();
        source.EnsureConverge();
        source.Migrate($"exec:cat > {_folder["qemu"]}");
        source.WaitForMigration();
        return _folder.Restore("qemu");
    }

    static MigrationResult Migrate(MemoryGuest guest, FaultProxy link, QemuMachine? told = null)
    {
        var migration = Migration.Start(guest, link.Uri, new MigrationParameters { KeepSource = true, DestinationQmp = told?.QmpUri.ToString() });
        Assert.True(migration.Wait(Patience.Limit), $"The migration hangs in {migration.GetState().Phase}.");
        return migration.Result!;
    }

    public void Dispose() => _folder.Dispose();
}
