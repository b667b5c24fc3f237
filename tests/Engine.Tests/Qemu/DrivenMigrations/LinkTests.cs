using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>Real QEMUs whose link is cut by somebody else: neither of them expects it.</summary>
public sealed class LinkTests
{
    [PostcopyTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Cut_in_postcopy_it_waits_and_goes_on_over_another_link(string binary)
    {
        using var link = new Linked(binary, forPostcopy: true);
        var migration = link.Start(new MigrationParameters { Postcopy = true, MaxPostcopyBandwidth = 200_000 });
        migration.SwitchToPostcopy();
        Poll.Until(() => link.Pair.Destination.RunState == "running", "the guest runs at the destination");
        DrivenPair.Await(migration, MigrationStatus.PostcopyActive);
        link.Cut();
        DrivenPair.Await(migration, MigrationStatus.PostcopyPaused);
        Poll.Until(() => link.Pair.Destination.MigrationStatus == "postcopy-paused", "the destination is paused too");
        Assert.Equal(CancelOutcome.TooLate, migration.Cancel().Outcome);
        Assert.Equal(GuestLocation.Destination, migration.GetState().Location);
        migration.Recover(MigrationUri.Parse("tcp:127.0.0.1:0"));
        migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (result.State, result.Location));
        DrivenPair.AssertRunsOnlyAt(link.Pair.Destination, link.Pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Cut_in_precopy_the_guest_runs_on_at_the_source(string binary)
    {
        using var link = new Linked(binary);
        var migration = link.Start(new MigrationParameters());
        link.Cut();
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        // Which of the two ends broke it, neither can tell; a destination that gives up may have ended by then.
        Assert.True(result.Error!.Id is MigrationErrorId.ConnectionLost or MigrationErrorId.DestinationFailed, $"{result}");
        Assert.Null(link.Pair.Guest.MovedTo);
        DrivenPair.AssertRunsOnlyAt(link.Pair.Source, link.Pair.Destination);
    }

    /// <summary>Two QEMUs, the second listening behind a link of the test.</summary>
    sealed class Linked : IDisposable
    {
        readonly FaultProxy _proxy;

        public Linked(string binary, bool forPostcopy = false)
        {
            var port = IntoQemuTests.FreePort();
            Pair = new DrivenPair(binary, destination: options => options with { Incoming = $"tcp:127.0.0.1:{port}" }, forPostcopy: forPostcopy);
            _proxy = new FaultProxy(MigrationUri.Parse($"tcp:127.0.0.1:{port}"));
        }

        public DrivenPair Pair { get; }

        /// <summary>Returns in the first pass.</summary>
        public Migration Start(MigrationParameters parameters) => Pair.StartFirstPass(parameters with
        {
            MaxBandwidth = Pair.Parameters.MaxBandwidth, MaxDowntime = Pair.Parameters.MaxDowntime, DestinationQmp = Pair.Parameters.DestinationQmp,
        }, _proxy.Uri.ToString());

        public void Cut() => _proxy.Cut();

        public void Dispose()
        {
            _proxy.Dispose();
            Pair.Dispose();
        }
    }
}
