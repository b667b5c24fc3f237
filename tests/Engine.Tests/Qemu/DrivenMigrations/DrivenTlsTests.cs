using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>TLS between two real QEMUs that are driven, which are as they were afterwards.</summary>
public sealed class DrivenTlsTests
{
    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void With_credentials_that_both_have_a_guest_goes_over_and_settings_are_as_before(string binary)
    {
        using var rig = new DrivenTlsRig(binary);
        var (source, destination) = (rig.Pair.Source, rig.Pair.Destination);
        DrivenTlsRig.AddCredentials(source, "tls0", rig.Folder, "client");
        DrivenTlsRig.AddCredentials(destination, "tls1", rig.Folder, "server");
        destination.Execute("object-add", new Dictionary<string, object> { ["qom-type"] = "authz-simple", ["id"] = "sources", ["identity"] = "O=Example,CN=client" });
        source.SetParameters(("tls-hostname", "former"));
        destination.SetParameters(("tls-authz", "former"));
        var migration = rig.Pair.StartAndPass(1, rig.With(new() { Credentials = "tls0", DestinationCredentials = "tls1", Authorization = "sources", HostName = "localhost" }));
        Assert.Equal(("tls0,localhost,", "tls1,,sources"), (DrivenTlsRig.Set(source), DrivenTlsRig.Set(destination)));
        AssertGoesOver(rig, migration);
        Assert.Equal((",former,", ",,former"), (DrivenTlsRig.Set(source), DrivenTlsRig.Set(destination)));
        Assert.Equal(["tls0"], DrivenTlsRig.Objects(source));
        Assert.Equal(["sources", "tls1"], DrivenTlsRig.Objects(destination).Order());
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void With_a_directory_credentials_are_made_and_removed(string binary)
    {
        using var rig = new DrivenTlsRig(binary);
        var migration = rig.Pair.StartAndPass(1, rig.With(rig.ByDirectory));
        foreach (var (qemu, endpoint) in new[] { (rig.Pair.Source, "client"), (rig.Pair.Destination, "server") })
        {
            var made = Assert.Single(DrivenTlsRig.Objects(qemu));
            Assert.Equal($"{made},,", DrivenTlsRig.Set(qemu));
            Assert.Equal(endpoint, qemu.Execute("qom-get", new { path = $"/objects/{made}", property = "endpoint" }).GetString());
            Assert.True(qemu.Execute("qom-get", new { path = $"/objects/{made}", property = "verify-peer" }).GetBoolean());
        }
        AssertGoesOver(rig, migration);
        AssertAsBefore(rig);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Channels_are_protected_too(string binary)
    {
        using var rig = new DrivenTlsRig(binary, isSlow: false);
        var migration = rig.Pair.Start(rig.With(rig.ByDirectory, rig.Pair.Parameters with { Channels = 2, MaxDowntime = TimeSpan.FromSeconds(1) }));
        AssertGoesOver(rig, migration);
        AssertAsBefore(rig);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_cancelled_one_leaves_nothing_behind_and_the_next_one_goes(string binary)
    {
        using var rig = new DrivenTlsRig(binary);
        var migration = rig.Pair.StartAndPass(1, rig.With(rig.ByDirectory));
        Assert.Equal(CancelOutcome.Cancelled, migration.Cancel().Outcome);
        DrivenPair.End(migration);
        Assert.Equal(",,", DrivenTlsRig.Set(rig.Pair.Source));
        Assert.Empty(DrivenTlsRig.Objects(rig.Pair.Source));
        DrivenPair.AssertRunsOnlyAt(rig.Pair.Source, rig.Pair.Destination);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Objects_that_are_missing_or_unfit_are_said_before_anything_changes(string binary)
    {
        using var rig = new DrivenTlsRig(binary);
        var (source, destination) = (rig.Pair.Source, rig.Pair.Destination);
        DrivenTlsRig.AddCredentials(source, "tls0", rig.Folder, "client");
        DrivenTlsRig.AddCredentials(destination, "tls0", rig.Folder, "client");
        DrivenTlsRig.AddCredentials(source, "wrong", rig.Folder, "server");
        DrivenTlsRig.AddCredentials(destination, "tls1", rig.Folder, "server");
        foreach (var qemu in new[] { source, destination })
            qemu.Execute("object-add", new Dictionary<string, object> { ["qom-type"] = "authz-simple", ["id"] = "list", ["identity"] = "x" });
        foreach (var (id, found) in new[] { ("nobody", MigrationErrorId.TlsCredentialsNotFound), ("wrong", MigrationErrorId.TlsCredentialsUnfit), ("list", MigrationErrorId.TlsCredentialsUnfit) })
        {
            var error = Assert.Throws<MigrationException>(() => rig.Pair.Start(rig.With(new() { Credentials = id })));
            Assert.Equal((found, MigrationSide.Source), (error.Id, error.Side));
            Assert.Contains($"'{id}'", error.Message, StringComparison.Ordinal);
        }
        foreach (var (tls, found) in new[]
        {
            (new QemuTlsOptions { Credentials = "tls0" }, MigrationErrorId.TlsCredentialsUnfit),
            (new() { Credentials = "tls0", DestinationCredentials = "nobody" }, MigrationErrorId.TlsCredentialsNotFound),
            (new() { Credentials = "tls0", DestinationCredentials = "tls1", Authorization = "nobody" }, MigrationErrorId.TlsCredentialsNotFound),
            (new() { Credentials = "tls0", DestinationCredentials = "tls1", Authorization = "tls0" }, MigrationErrorId.TlsCredentialsUnfit),
            (new() { Directory = rig.Folder + "/nowhere" }, MigrationErrorId.TlsCredentialsRefused),
        })
        {
            var error = DrivenPair.End(rig.Pair.Start(rig.With(tls))).Error!;
            Assert.Equal((found, MigrationSide.Destination), (error.Id, error.Side));
            Assert.Equal((",,", ",,"), (DrivenTlsRig.Set(source), DrivenTlsRig.Set(destination)));
        }
        Assert.Equal(["list", "tls0", "wrong"], DrivenTlsRig.Objects(source).Order());
        Assert.Equal(["list", "tls0", "tls1"], DrivenTlsRig.Objects(destination).Order());
        DrivenPair.AssertRunsOnlyAt(source, destination);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_source_without_its_directory_leaves_the_destination_as_it_was(string binary)
    {
        using var rig = new DrivenTlsRig(binary);
        DrivenTlsRig.AddCredentials(rig.Pair.Destination, "tls1", rig.Folder, "server");
        var error = DrivenPair.End(rig.Pair.Start(rig.With(new() { Directory = rig.Folder + "/nowhere", DestinationCredentials = "tls1" }))).Error!;
        Assert.Equal((MigrationErrorId.TlsCredentialsRefused, MigrationSide.Source), (error.Id, error.Side));
        Assert.Equal((",,", ",,"), (DrivenTlsRig.Set(rig.Pair.Source), DrivenTlsRig.Set(rig.Pair.Destination)));
        DrivenPair.AssertRunsOnlyAt(rig.Pair.Source, rig.Pair.Destination);
    }

    public static TheoryData<string, string> Refusals
    {
        get
        {
            var rows = new TheoryData<string, string>();
            foreach (var binary in QemuBinaries.All.DefaultIfEmpty("none"))
                foreach (var why in new[] { "authority", "host", "authorization" }) rows.Add(binary, why);
            return rows;
        }
    }

    [QemuTheory]
    [MemberData(nameof(Refusals))]
    public void Ends_that_do_not_accept_each_other_leave_the_guest_where_it_was(string binary, string why)
    {
        using var rig = new DrivenTlsRig(binary);
        var (source, destination) = (rig.Pair.Source, rig.Pair.Destination);
        DrivenTlsRig.AddCredentials(destination, "tls1", why == "authority" ? rig.Write(new TlsPki("Another authority")) : rig.Folder, "server");
        destination.Execute("object-add", new Dictionary<string, object> { ["qom-type"] = "authz-simple", ["id"] = "sources", ["identity"] = "CN=nobody" });
        var result = DrivenPair.End(rig.Pair.Start(rig.With(new()
        {
            Directory = rig.Folder, DestinationCredentials = "tls1", HostName = why == "host" ? "elsewhere" : null,
            Authorization = why == "authorization" ? "sources" : null,
        })));
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        // Of a destination that hangs up on its source nobody learns more than that.
        Assert.Equal((why == "authorization" ? MigrationErrorId.TlsFailed : MigrationErrorId.CertificateRejected, MigrationSide.Destination), (result.Error!.Id, result.Error.Side));
        Assert.Equal(",,", DrivenTlsRig.Set(source));
        Assert.Empty(DrivenTlsRig.Objects(source));
        DrivenPair.AssertRunsOnlyAt(source, destination);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Credentials_that_let_in_everybody_are_told(string binary)
    {
        using var rig = new DrivenTlsRig(binary);
        DrivenTlsRig.AddCredentials(rig.Pair.Source, "tls0", rig.Folder, "client");
        DrivenTlsRig.AddCredentials(rig.Pair.Destination, "tls0", rig.Folder, "server", verify: false);
        var migration = rig.Pair.StartAndPass(1, rig.With(new() { Credentials = "tls0" }));
        AssertGoesOver(rig, migration);
        var told = Assert.Single(migration.GetState().Decisions, one => one.What.StartsWith("TLS", StringComparison.Ordinal));
        Assert.Equal(("TLS at the destination", true), (told.What, told.IsWarning));
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_guest_of_this_process_and_a_QEMUs_have_different_ones(string binary)
    {
        using var rig = new DrivenTlsRig(binary);
        var to = MigrationUri.Parse("tcp:127.0.0.1:9");
        var error = Assert.Throws<MigrationException>(() => rig.Pair.Start(rig.Pair.Parameters with { Tls = TlsPki.Shared.Client }));
        Assert.Equal(MigrationErrorId.UnsupportedByGuest, error.Id);
        Assert.Contains("-TlsCredentials", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<MigrationException>(() => rig.Pair.Start(rig.With(rig.ByDirectory), $"unix:{rig.Folder}/socket"));
        Assert.Contains("-TlsHostName", error.Message, StringComparison.Ordinal);
        var own = TestGuests.Create(TestGuests.Options());
        try
        {
            error = Assert.Throws<MigrationException>(() => Migration.Start(own, to, new() { QemuTls = new() { Credentials = "tls0" } }));
            Assert.Equal(MigrationErrorId.UnsupportedByGuest, error.Id);
            Assert.Contains("-TlsDirectory", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            TestGuests.RemoveAll(own.Host);
        }
    }

    public static TheoryData<string, bool> PostcopyRows
    {
        get
        {
            var rows = new TheoryData<string, bool>();
            foreach (var binary in QemuBinaries.All.DefaultIfEmpty("none"))
                foreach (var preempt in new[] { false, true }) rows.Add(binary, preempt);
            return rows;
        }
    }

    [QemuTheory]
    [MemberData(nameof(PostcopyRows))]
    public void A_postcopy_is_broken_and_goes_on_and_settings_stay_until_its_end(string binary, bool preempt)
    {
        using var rig = new DrivenTlsRig(binary, forPostcopy: true);
        var migration = rig.Pair.StartFirstPass(rig.With(rig.ByDirectory,
            rig.Pair.Parameters with { Postcopy = true, PostcopyPreempt = preempt, MaxPostcopyBandwidth = 200_000 }));
        migration.SwitchToPostcopy();
        Poll.Until(() => rig.Pair.Destination.RunState == "running", "the guest runs at the destination");
        DrivenPair.Await(migration, MigrationStatus.PostcopyActive);
        migration.Pause();
        DrivenPair.Await(migration, MigrationStatus.PostcopyPaused);
        Poll.Until(() => rig.Pair.Destination.MigrationStatus == "postcopy-paused", "the destination is paused too");
        Assert.Single(DrivenTlsRig.Objects(rig.Pair.Source));
        migration.Recover();
        migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (result.State, result.Location));
        Assert.Contains("postcopy-paused", migration.GetState().QemuStates);
        AssertAsBefore(rig);
        DrivenPair.AssertRunsOnlyAt(rig.Pair.Destination, rig.Pair.Source);
    }

    static void AssertGoesOver(DrivenTlsRig rig, Migration migration)
    {
        migration.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(2)));
        var result = DrivenPair.End(migration);
        Assert.True(result is { State: MigrationStatus.Completed, Location: GuestLocation.Destination }, $"{result} {DrivenPair.Story(migration)}");
        DrivenPair.AssertRunsOnlyAt(rig.Pair.Destination, rig.Pair.Source);
    }

    static void AssertAsBefore(DrivenTlsRig rig)
    {
        foreach (var qemu in new[] { rig.Pair.Source, rig.Pair.Destination })
        {
            Assert.Equal(",,", DrivenTlsRig.Set(qemu));
            Assert.Empty(DrivenTlsRig.Objects(qemu));
        }
    }
}
