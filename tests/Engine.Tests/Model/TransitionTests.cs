using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Model;

/// <summary>QEMU's state machine, and the names and numbers of the phases.</summary>
public sealed class TransitionTests
{
    static readonly MigrationStatus[] All = Enum.GetValues<MigrationStatus>();

    [Theory]
    [InlineData("None Setup Active Device Completed")]
    [InlineData("None Setup Active PreSwitchover Device Completed")]
    [InlineData("None Setup WaitUnplug Active Device Completed")]
    [InlineData("None Setup Cancelling Cancelled")]
    [InlineData("None Setup Active Cancelling Cancelled")]
    [InlineData("None Setup Active PreSwitchover Cancelling Cancelled")]
    [InlineData("None Setup Active Device Cancelling Cancelled")]
    [InlineData("None Setup Failing Failed")]
    [InlineData("None Setup Active Device Failing Failed")]
    [InlineData("None Setup Active Device PostcopyDevice PostcopyActive PostcopyPaused PostcopyRecoverSetup PostcopyRecover PostcopyActive Completed")]
    public void These_ways_are_legal(string way)
    {
        var states = way.Split(' ').Select(Enum.Parse<MigrationStatus>).ToList();
        foreach (var (from, to) in states.Zip(states.Skip(1))) MigrationTransitions.Check(from, to);
    }

    [Theory]
    [InlineData(MigrationStatus.None, MigrationStatus.Active)]
    [InlineData(MigrationStatus.Setup, MigrationStatus.Completed)]
    [InlineData(MigrationStatus.Active, MigrationStatus.Completed)]
    [InlineData(MigrationStatus.Active, MigrationStatus.Failed)]
    [InlineData(MigrationStatus.Cancelling, MigrationStatus.Failed)]
    [InlineData(MigrationStatus.Cancelled, MigrationStatus.Setup)]
    [InlineData(MigrationStatus.PostcopyActive, MigrationStatus.Cancelling)]
    [InlineData(MigrationStatus.PostcopyPaused, MigrationStatus.Active)]
    public void These_steps_are_not(MigrationStatus from, MigrationStatus to)
    {
        Assert.False(MigrationTransitions.IsLegal(from, to));
        Assert.Equal(MigrationErrorId.IllegalTransition, Assert.Throws<MigrationException>(() => MigrationTransitions.Check(from, to)).Id);
    }

    [Fact]
    public void Nothing_leaves_an_end_and_nothing_stays_where_it_is()
    {
        MigrationStatus[] ends = [MigrationStatus.Cancelled, MigrationStatus.Completed, MigrationStatus.Failed];
        Assert.Equal(ends.Order(), All.Where(MigrationTransitions.IsEnded).Order());
        foreach (var from in All)
        {
            Assert.False(MigrationTransitions.IsLegal(from, from));
            Assert.False(MigrationTransitions.IsLegal(from, MigrationStatus.None));
            if (ends.Contains(from)) Assert.DoesNotContain(All, to => MigrationTransitions.IsLegal(from, to));
            else Assert.Contains(All, to => MigrationTransitions.IsLegal(from, to));
        }
    }

    [Fact]
    public void Every_state_but_None_can_be_reached()
    {
        var reached = new HashSet<MigrationStatus> { MigrationStatus.None };
        for (var before = 0; before != reached.Count;)
        {
            before = reached.Count;
            reached.UnionWith(All.Where(to => reached.Any(from => MigrationTransitions.IsLegal(from, to))).ToList());
        }
        Assert.Equal(All.Length, reached.Count);
    }

    [Fact]
    public void A_guest_can_be_lost_in_no_state_before_the_end()
    {
        // Whatever fails on the way there is a way to say so.
        foreach (var from in All.Where(state => state != MigrationStatus.None && !MigrationTransitions.IsEnded(state)))
            Assert.True(Reaches(from, []), $"{from} can't end.");
    }

    static bool Reaches(MigrationStatus from, HashSet<MigrationStatus> seen) =>
        MigrationTransitions.IsEnded(from) || (seen.Add(from) && All.Any(to => MigrationTransitions.IsLegal(from, to) && Reaches(to, seen)));

    [Fact]
    public void The_phases_have_the_numbers_of_the_diagram()
    {
        string[] expected = ["0", "1", "2", "3", "4", "5", "5.1", "5.2", "5.3", "5.3.1", "5.3.2", "5.3.2.1", "5.3.2.2", "5.3.2.3", "6", "7", "8"];
        Assert.Equal(expected, Enum.GetValues<MigrationPhase>().Select(MigrationPhases.Number));
        Assert.Equal("cpu_synchronize_all_states", MigrationPhases.QemuFunction(MigrationPhase.SyncCpus));
        Assert.All(Enum.GetValues<MigrationPhase>(), phase => Assert.NotEqual("", MigrationPhases.QemuFunction(phase)));
    }

    [Fact]
    public void Errors_know_whether_the_same_call_can_succeed_later()
    {
        MigrationErrorId[] retryable =
        [
            MigrationErrorId.ConnectionRefused, MigrationErrorId.ConnectTimeout, MigrationErrorId.NameNotResolved, MigrationErrorId.HostUnreachable,
            MigrationErrorId.ConnectionLost, MigrationErrorId.PeerSilent, MigrationErrorId.Timeout, MigrationErrorId.GuestBusy,
        ];
        foreach (var id in Enum.GetValues<MigrationErrorId>())
            Assert.Equal(retryable.Contains(id), new MigrationException(id, MigrationSide.Link, "").IsRetryable);
    }
}
