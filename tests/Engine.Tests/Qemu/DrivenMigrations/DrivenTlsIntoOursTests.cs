using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>A driven QEMU sends to a receiver of ours, with TLS.</summary>
public sealed class DrivenTlsIntoOursTests : IDisposable
{
    static readonly WalkingGuest Program = new() { First = 8 << 20, Pages = 2048, Delay = 500, Seed = 11 };

    readonly string _host = TestGuests.UniqueName("captured");
    readonly DirectoryInfo _folder = TlsPki.Shared.Write();

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Its_whole_machine_arrives(string binary)
    {
        using var receiver = Receive("CN=client,O=Example");
        using var qemu = Run(binary);
        var result = Migrate(qemu, receiver.Uri);
        Assert.True(result.State == MigrationStatus.Completed, $"{result}");
        Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit), "Nothing arrives.");
        Assert.True(arrival.Error is null, $"{arrival.Error}");
        Assert.Empty(RamImage.Differences(qemu.Ram(), arrival.Guest!.Memory.Find("pc.ram")!.Span(0, 48 << 20)));
        AssertAsBefore(qemu);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void One_that_is_not_authorised_is_refused_and_runs_on(string binary)
    {
        using var receiver = Receive("CN=nobody");
        using var qemu = Run(binary);
        var result = Migrate(qemu, receiver.Uri);
        Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit), "Nothing ends.");
        Assert.Equal((MigrationErrorId.CertificateRejected, MigrationSide.Source), (arrival.Error!.Id, arrival.Error.Side));
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        // A QEMU has no reason from it: what it sees is the word FAILURE, or a link that ends.
        Assert.Contains(result.Error!.Id, new[] { MigrationErrorId.DestinationFailed, MigrationErrorId.ConnectionLost });
        Poll.Until(() => qemu.RunState == "running", "the guest runs on");
        AssertAsBefore(qemu);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_plain_receiver_is_sent_nothing(string binary)
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = _host });
        using var qemu = Run(binary);
        var result = Migrate(qemu, receiver.Uri);
        Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit), "Nothing ends.");
        Assert.Equal(MigrationErrorId.TlsNotSpoken, arrival.Error!.Id);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.TlsFailed, MigrationSide.Destination), (result.Error!.Id, result.Error.Side));
        Poll.Until(() => qemu.RunState == "running", "the guest runs on");
        AssertAsBefore(qemu);
    }

    public void Dispose()
    {
        TestGuests.RemoveAll(_host);
        _folder.Delete(recursive: true);
    }

    MigrationReceiver Receive(string subject) => MigrationReceiver.Start(new ReceiverOptions
    {
        HostName = _host, Tls = TlsFiles.FromDirectory(_folder.FullName, isServer: true) with { AuthorizedSubject = [subject] },
    });

    static QemuMachine Run(string binary)
    {
        var qemu = new QemuMachine(new QemuOptions(binary) { Machine = "pc", Megabytes = 48, Program = Program, HasRamFile = true });
        qemu.WaitForCounter(Program.Pages);
        return qemu;
    }

    MigrationResult Migrate(QemuMachine qemu, MigrationUri to)
    {
        var guest = QemuGuest.Connect(qemu.QmpUri, TestGuests.UniqueName("driven"));
        try
        {
            return DrivenPair.End(Migration.Start(guest, to, new() { MaxDowntime = TimeSpan.FromSeconds(5), QemuTls = new() { Directory = _folder.FullName, HostName = "localhost" } }));
        }
        finally
        {
            guest.LetGo();
        }
    }

    static void AssertAsBefore(QemuMachine qemu)
    {
        Assert.Equal(",,", DrivenTlsRig.Set(qemu));
        Assert.DoesNotContain(DrivenTlsRig.Objects(qemu), one => one.StartsWith("psmigrate", StringComparison.Ordinal));
    }
}
