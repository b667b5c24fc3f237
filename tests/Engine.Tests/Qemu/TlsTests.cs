using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>TLS with a real QEMU at the other end, whose certificates lie in a directory that we use too.</summary>
public sealed class TlsTests : IDisposable
{
    const int Megabytes = 64;
    static readonly WalkingGuest Program = new() { First = 8 << 20, Pages = 2048, Delay = 500, Seed = 11 };
    static readonly TlsPki Strangers = new("Another authority");

    readonly DirectoryInfo _folder = TlsPki.Shared.Write();
    readonly List<DirectoryInfo> _others = [];
    readonly MemoryGuest _guest = GuestRegistry.Create(TestGuests.Options(GuestWorkload.Random, Megabytes * TestGuests.MiB, rate: 100 * TestGuests.MiB));

    public static TheoryData<string, int> Rows
    {
        get
        {
            var rows = new TheoryData<string, int>();
            foreach (string binary in QemuRows.Binaries)
                foreach (var channels in new[] { 0, 2 }) rows.Add(binary, channels);
            return rows;
        }
    }

    [QemuTheory]
    [MemberData(nameof(Rows))]
    public void A_dirtying_guest_of_ours_arrives_in_a_QEMU(string binary, int channels)
    {
        using var qemu = Awaiting(binary, channels);
        var result = Migrate(qemu.Listen(), new()
        {
            Tls = Client, Channels = channels, PeerVersion = Engine.Qmp.QemuIdentity.Query(qemu.Qmp).Version, MaxBandwidth = 400L << 20,
            MaxDowntime = TimeSpan.FromMilliseconds(20),
        });
        Assert.Null(result.Error);
        Assert.Equal(GuestLocation.RamOnly, result.Location);
        qemu.WaitForMigration();
        AssertSameMemory(qemu);
        // It says so when a channel ends without TLS's own end.
        Assert.DoesNotContain("TLS", qemu.Errors, StringComparison.OrdinalIgnoreCase);
    }

    [QemuTheory]
    [MemberData(nameof(Rows))]
    public void A_running_machine_of_a_QEMU_arrives_here(string binary, int channels) => Arrives(binary, channels, "return-path");

    // Such a source never reads: what it was sent would reset what it sends last.
    [QemuTheory]
    [MemberData(nameof(Rows))]
    public void Without_a_return_path_too(string binary, int channels) => Arrives(binary, channels);

    void Arrives(string binary, int channels, params string[] capabilities)
    {
        var host = TestGuests.UniqueName("captured");
        using var receiver = MigrationReceiver.Start(new ReceiverOptions
        {
            HostName = host, Tls = TlsFiles.FromDirectory(_folder.FullName, isServer: true) with { AuthorizedSubject = ["CN=client,O=Example"] },
        });
        using var qemu = new QemuMachine(new QemuOptions(binary)
        {
            Machine = "pc", Megabytes = 48, Program = Program, HasRamFile = true, Arguments = ["-object", Credentials(_folder, "client")],
        });
        qemu.WaitForCounter(Program.Pages);
        qemu.SetCapabilities([.. capabilities, .. channels > 0 ? ["multifd"] : Array.Empty<string>()]);
        qemu.SetParameters(("multifd-channels", Math.Max(channels, 1)), ("tls-creds", "tls0"), ("tls-hostname", "localhost"));
        qemu.EnsureNonConverge();
        qemu.Migrate(receiver.Uri.ToString());
        try
        {
            qemu.WaitForIterations(2);
            qemu.EnsureConverge();
            Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit), "Nothing arrives.");
            Assert.True(arrival.Error is null, $"{arrival.Error}");
            qemu.WaitForMigration();
            Assert.Empty(RamImage.Differences(qemu.Ram(), arrival.Guest!.Memory.Find("pc.ram")!.Span(0, 48 << 20)));
            Assert.Equal((1, 0, 0), (receiver.ArrivedCount, receiver.FailedCount, receiver.ActiveCount));
        }
        finally
        {
            TestGuests.RemoveAll(host);
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_plain_QEMU_is_said_not_to_speak_TLS_and_does_not_hang(string binary)
    {
        using var qemu = new QemuMachine(new QemuOptions(binary) { Megabytes = Megabytes }.Awaiting());
        var result = Migrate(qemu.Listen(), new() { Tls = Client });
        Assert.Equal((MigrationErrorId.TlsNotSpoken, MigrationPhase.Connect), (result.Error!.Id, result.Error.Phase));
        AssertRunsHere();
        Poll.Until(() => HasGivenUp(qemu), "QEMU gives up");
    }

    static bool HasGivenUp(QemuMachine qemu)
    {
        try
        {
            return qemu.HasExited || qemu.MigrationStatus == "failed";
        }
        catch (MigrationException e) when (e.Id == MigrationErrorId.QmpConnectionLost)
        {
            // It ends while it is asked, and has exited soon.
            return false;
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_QEMU_that_requires_TLS_takes_no_plain_guest(string binary)
    {
        using var qemu = Awaiting(binary, 0);
        var result = Migrate(qemu.Listen(), new());
        Assert.Equal(MigrationErrorId.ConnectionLost, result.Error!.Id);
        AssertRunsHere();
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_QEMU_that_does_not_trust_our_authority_takes_no_guest(string binary)
    {
        using var qemu = Awaiting(binary, 0);
        var client = Client with { Certificate = Strangers.Issue("CN=client", isServer: false) };
        var result = Migrate(qemu.Listen(), new() { Tls = client });
        Assert.Contains(result.Error!.Id, new[] { MigrationErrorId.TlsFailed, MigrationErrorId.CertificateRejected, MigrationErrorId.ConnectionLost });
        AssertRunsHere();
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_QEMU_of_another_authority_is_sent_nothing(string binary)
    {
        using var qemu = Awaiting(binary, 0, Other(Strangers));
        var result = Migrate(qemu.Listen(), new() { Tls = Client });
        Assert.Equal((MigrationErrorId.CertificateRejected, MigrationSide.Destination), (result.Error!.Id, result.Error.Side));
        AssertRunsHere();
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_plain_QEMU_is_refused_and_goes_on(string binary) => IsRefused(binary, folder: null, MigrationErrorId.TlsRequired);

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_QEMU_of_another_authority_is_refused_and_goes_on(string binary)
    {
        // It trusts ours, so that it is this end that refuses.
        var folder = Strangers.Write();
        _others.Add(folder);
        File.Copy(Path.Combine(_folder.FullName, "ca-cert.pem"), Path.Combine(folder.FullName, "ca-cert.pem"), overwrite: true);
        // QEMU looks at its own certificate first, and would not show one that is not of its authority.
        IsRefused(binary, folder, MigrationErrorId.CertificateRejected, "sanity-check=no");
    }

    public void Dispose()
    {
        TestGuests.RemoveAll(_guest.Host);
        _folder.Delete(recursive: true);
        _others.ForEach(folder => folder.Delete(recursive: true));
    }

    TlsOptions Client => TlsFiles.FromDirectory(_folder.FullName, isServer: false);

    static string Credentials(DirectoryInfo folder, string endpoint, string more = "sanity-check=yes") =>
        $"tls-creds-x509,id=tls0,dir={folder.FullName},endpoint={endpoint},verify-peer=yes,{more}";

    DirectoryInfo Other(TlsPki pki)
    {
        var folder = pki.Write();
        _others.Add(folder);
        return folder;
    }

    void IsRefused(string binary, DirectoryInfo? folder, MigrationErrorId id, string more = "sanity-check=yes")
    {
        var host = TestGuests.UniqueName("captured");
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = host, Tls = TlsFiles.FromDirectory(_folder.FullName, isServer: true) });
        using var qemu = new QemuMachine(new QemuOptions(binary) { Megabytes = 16, Arguments = folder is null ? [] : ["-object", Credentials(folder, "client", more)] });
        qemu.SetCapabilities("return-path");
        if (folder is not null) qemu.SetParameters(("tls-creds", "tls0"), ("tls-hostname", "localhost"));
        qemu.Migrate(receiver.Uri.ToString());
        Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit), "Nothing ends.");
        Assert.Equal((id, MigrationSide.Source), (arrival.Error!.Id, arrival.Error.Side));
        qemu.WaitForMigration("failed");
        Assert.Equal("running", qemu.RunState);
        Assert.Empty(TestGuests.On(host));
    }

    QemuMachine Awaiting(string binary, int channels, DirectoryInfo? folder = null)
    {
        var qemu = new QemuMachine(new QemuOptions(binary)
        {
            Megabytes = Megabytes, Arguments = ["-object", Credentials(folder ?? _folder, "server")],
        }.Awaiting());
        if (channels > 0) qemu.SetCapabilities("multifd");
        qemu.SetParameters(("multifd-channels", Math.Max(channels, 1)), ("tls-creds", "tls0"));
        return qemu;
    }

    MigrationResult Migrate(string destination, MigrationParameters parameters)
    {
        var migration = Migration.Start(_guest, MigrationUri.Parse(destination), parameters);
        migration.LetEndAfter(2);
        Assert.True(migration.Wait(Patience.Limit), $"The migration hangs in {migration.GetState().Phase}.");
        return migration.Result!;
    }

    void AssertRunsHere()
    {
        Assert.Equal(GuestState.Running, _guest.State);
        TestGuests.WaitForTick(_guest, _guest.Ticks.Max() + 10);
    }

    unsafe void AssertSameMemory(QemuMachine qemu) =>
        Assert.Empty(RamImage.Differences(qemu.Memory(), new ReadOnlySpan<byte>(_guest.Memory.Ram.Address, checked((int)_guest.MemorySize))));
}
