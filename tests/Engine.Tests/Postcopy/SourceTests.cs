using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>The source's half of a postcopy, against a scripted destination of either kind: when the guest goes over, and what follows it.</summary>
public sealed class SourceTests
{
    static readonly PostcopyFigures Told = new() { Faults = 3, RequestedPages = 2, WorstLatency = TimeSpan.FromMilliseconds(5), Latencies = [1, 2], BlockedTimes = [TimeSpan.Zero] };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Right_after_the_setup_no_page_goes_before_the_guest(bool isQemu)
    {
        using var rig = new SourceRig(isQemu, fake: new FakePostcopy(isQemu) { Figures = isQemu ? null : Told });
        var result = rig.FinishWell();
        Assert.Equal(0, rig.Fake.Before);
        Assert.Equal(rig.Guest.Memory.Ram.Pages, rig.Fake.Discarded);
        Assert.True(rig.Fake.IsAdvised);
        Assert.DoesNotContain(PostcopyStep.RamPart, rig.Fake.Seen);
        Assert.Equal(!isQemu, rig.Fake.WantsToRun);
        Assert.Equal(isQemu ? null : Told.Faults, result.Postcopy?.Faults);
        var state = rig.Outgoing.GetState();
        var decision = Assert.Single(state.Decisions, one => one.What == "Mode");
        Assert.Equal(("precopy", "postcopy"), (decision.From, decision.To));
        Assert.Contains(isQemu ? "stays the whole one" : "is lost", decision.Reason, StringComparison.Ordinal);
        Assert.True(result.Downtime > TimeSpan.Zero);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void After_so_many_passes_what_is_dirty_follows_the_guest(bool isQemu)
    {
        using var rig = new SourceRig(isQemu, TestGuests.Options(size: 4 * TestGuests.MiB, rate: 0) with { WorkingSet = TestGuests.MiB });
        // A guest that writes as fast as it can, against two pages: it never converges.
        rig.Parameters = rig.Parameters with { Mode = MigrationMode.Hybrid, PostcopyAfter = 3, MaxDowntime = TimeSpan.FromMilliseconds(1), MaxBandwidth = 8 << 20 };
        rig.FinishWell();
        Assert.Contains(PostcopyStep.RamPart, rig.Fake.Seen);
        Assert.InRange(rig.Fake.Discarded, 1, rig.Guest.Memory.Ram.Pages - 1);
        Assert.Equal(rig.Guest.Memory.Ram.Pages - rig.Fake.Discarded, rig.Fake.Before);
        Assert.Contains("3 passes have ended", Assert.Single(rig.Outgoing.GetState().Decisions, one => one.What == "Mode").Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void One_that_converges_before_stays_a_precopy()
    {
        using var rig = new SourceRig();
        rig.Parameters = rig.Parameters with { Mode = MigrationMode.Hybrid, PostcopyAfter = 50, MaxDowntime = TimeSpan.FromSeconds(10) };
        using var fake = new FakeDestination();
        var result = EarlyEnds.ScriptedDestinationTests.Migrate(new Rig(rig.Options with { Name = TestGuests.UniqueName() }) { Parameters = rig.Parameters }, fake);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (result.State, result.Location));
        Assert.Null(result.Postcopy);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void It_goes_over_when_it_is_told_to(bool isQemu)
    {
        using var rig = new SourceRig(isQemu, TestGuests.Options(size: 16 * TestGuests.MiB, rate: 0) with { WorkingSet = TestGuests.MiB });
        // To a receiver of ours without a word before.
        rig.Parameters = rig.Parameters with { Mode = MigrationMode.Precopy, Postcopy = isQemu, MaxDowntime = TimeSpan.FromMilliseconds(1), MaxBandwidth = 8 << 20 };
        rig.Start();
        Patience.Until(() => rig.Outgoing.GetState() is { State: MigrationStatus.Active } state && (state.Current.Pages > 600 || state.Current.Iteration > 1), "some pages");
        rig.Outgoing.SwitchToPostcopy();
        rig.FinishWell();
        Assert.InRange(rig.Fake.Before, 1, rig.Guest.Memory.Ram.Pages - 1);
        Assert.Contains("Switch-Migration", Assert.Single(rig.Outgoing.GetState().Decisions, one => one.What == "Mode").Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void The_order_is_that_of_the_protocol()
    {
        using var rig = new SourceRig();
        rig.FinishWell();
        Assert.Equal(
            [PostcopyStep.Announcement, PostcopyStep.Advise, PostcopyStep.RamStart, PostcopyStep.SwitchoverStart, PostcopyStep.Discard, PostcopyStep.SwitchPing,
                PostcopyStep.PackageBegins, PostcopyStep.Listen, PostcopyStep.Package, PostcopyStep.Run, PostcopyStep.Pages, PostcopyStep.RamEnd, PostcopyStep.Eof],
            rig.Fake.Seen.Distinct());
        Assert.Equal(
            ["psmigrate/guest", "ram", "psmigrate/cpu", "psmigrate/cpu", "psmigrate/timer", "psmigrate/counter", "globalstate"], rig.Fake.Sections);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Pages_that_are_asked_for_come_although_nothing_else_may(bool isQemu)
    {
        using var rig = new SourceRig(isQemu);
        // A page in more than a second: only what is asked for comes.
        rig.Parameters = rig.Parameters with { MaxPostcopyBandwidth = 1 };
        using var asked = new ManualResetEventSlim();
        rig.Fake.At(PostcopyStep.Run, link =>
        {
            link.Answer(PostcopyStep.Run);
            link.Request(700);
            link.Request(13, block: null);
            link.Request(700, block: null);
            asked.Set();
        });
        rig.Start();
        Patience.For(asked, "the requests");
        Patience.Until(() => rig.Fake.Ram.Ram!.Blocks[0] is var block && block.HasCome(700) && block.HasCome(13), "the two pages");
        rig.Await(MigrationStatus.PostcopyActive);
        Assert.Equal(CancelOutcome.TooLate, rig.Outgoing.Cancel(wait: true).Outcome);
        Assert.InRange(rig.Fake.Ram.Ram!.MissingPages, rig.Guest.Memory.Ram.Pages / 2, rig.Guest.Memory.Ram.Pages - 2);
        rig.Outgoing.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        rig.FinishWell();
    }

    [Fact]
    public void A_QEMU_whose_devices_look_into_memory_while_they_are_loaded_gets_the_pages()
    {
        using var rig = new SourceRig(isQemu: true);
        rig.Fake.At(PostcopyStep.Listen, link =>
        {
            // No pong of the package leaves before they have come.
            foreach (var page in (long[])[700, 13, 1023])
            {
                link.Request(page);
                while (!rig.Fake.Ram.Ram!.Blocks[0].HasCome(page)) link.ReadOn();
            }
        });
        rig.FinishWell();
    }

    [Fact]
    public void A_destination_with_little_to_read_is_told_that_the_source_lives()
    {
        using var rig = new SourceRig();
        rig.Parameters = rig.Parameters with { MaxPostcopyBandwidth = 1 };
        rig.Start();
        rig.Await(MigrationStatus.PostcopyActive);
        var pings = rig.Fake.Pings;
        Patience.Until(() => rig.Fake.Pings > pings, "a sign of life");
        rig.Outgoing.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        rig.FinishWell();
    }

    [Fact]
    public void The_time_allowed_does_not_end_a_guest_that_has_gone_over()
    {
        using var rig = new SourceRig();
        rig.Parameters = rig.Parameters with { MaxPostcopyBandwidth = 1, Timeout = TimeSpan.FromHours(1) };
        rig.Start();
        rig.Await(MigrationStatus.PostcopyActive);
        rig.Outgoing.SetLimits(new MigrationLimits(Timeout: TimeSpan.FromTicks(1)));
        Patience.Until(() => rig.Fake.Seen.Count(step => step == PostcopyStep.Pages) >= 3, "more pages to come");
        rig.Outgoing.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        rig.FinishWell();
    }

    [Fact]
    public void A_wait_before_the_switchover_can_be_had_too()
    {
        using var rig = new SourceRig();
        rig.Parameters = rig.Parameters with { PauseBeforeSwitchover = true };
        rig.Start();
        rig.Await(MigrationStatus.PreSwitchover);
        Failing.With(MigrationErrorId.InvalidState, rig.Outgoing.SwitchToPostcopy);
        rig.Outgoing.Complete();
        rig.FinishWell();
    }

    [Fact]
    public void A_guest_that_stood_arrives_standing()
    {
        using var rig = new SourceRig();
        rig.Guest.Suspend();
        rig.FinishWell();
        Assert.False(rig.Fake.WantsToRun);
    }

    [Fact]
    public void Verify_and_postcopy_exclude_each_other()
    {
        var error = Failing.With(MigrationErrorId.InvalidParameter, () => new MigrationParameters { Postcopy = true, Verify = true }.Validate());
        Assert.Contains("can't be compared", error.Message, StringComparison.Ordinal);
        using var rig = new SourceRig(options: TestGuests.Options(rate: 0));
        rig.Parameters = rig.Parameters with { Mode = MigrationMode.Precopy, Postcopy = false, Verify = true, MaxDowntime = TimeSpan.FromMilliseconds(1), MaxBandwidth = 1 << 20 };
        rig.Start();
        rig.Await(MigrationStatus.Active);
        Assert.Contains("-Verify", Failing.With(MigrationErrorId.InvalidState, rig.Outgoing.SwitchToPostcopy).Message, StringComparison.Ordinal);
        Assert.Equal(CancelOutcome.Cancelled, rig.Outgoing.Cancel(wait: true).Outcome);
        rig.AssertRunsHere();
    }

    [Fact]
    public void A_receiver_of_an_older_release_is_not_gone_over_to()
    {
        var older = (Handshake.ExtensionPing & 0xFFFFFF00) | 0x80 | (Handshake.PostcopyVersion - 1);
        using var asked = new SourceRig(fake: new FakePostcopy { ExtensionPong = older });
        var result = asked.Finish();
        Assert.Equal((MigrationErrorId.UnsupportedByPeer, GuestLocation.Source, MigrationPhase.Ping), (result.Error!.Id, result.Location, result.Error.Phase));
        asked.AssertRunsHere();
        using var later = new SourceRig(options: TestGuests.Options(rate: 0), fake: new FakePostcopy { ExtensionPong = older });
        later.Parameters = later.Parameters with { Mode = MigrationMode.Precopy, Postcopy = false, MaxBandwidth = 1 << 20 };
        later.Start();
        later.Await(MigrationStatus.Active);
        Failing.With(MigrationErrorId.UnsupportedByPeer, later.Outgoing.SwitchToPostcopy);
        Assert.False(later.Fake.IsAdvised);
        later.Outgoing.Cancel(wait: true);
        later.AssertRunsHere();
    }

    [Fact]
    public void A_QEMU_that_was_not_told_before_is_not_gone_over_to()
    {
        using var rig = new SourceRig(isQemu: true, TestGuests.Options(rate: 0));
        rig.Parameters = rig.Parameters with { Mode = MigrationMode.Precopy, Postcopy = false, MaxBandwidth = 1 << 20 };
        rig.Start();
        rig.Await(MigrationStatus.Active);
        Failing.With(MigrationErrorId.InvalidState, rig.Outgoing.SwitchToPostcopy);
        Assert.False(rig.Fake.IsAdvised);
        Failing.With(MigrationErrorId.InvalidState, rig.Outgoing.Pause);
        Failing.With(MigrationErrorId.InvalidState, () => rig.Outgoing.Recover(null));
        Failing.With(MigrationErrorId.InvalidState, rig.Outgoing.GiveUp);
        rig.Outgoing.Cancel(wait: true);
        rig.AssertRunsHere();
        Failing.With(MigrationErrorId.InvalidState, rig.Outgoing.SwitchToPostcopy);
    }

    [Theory]
    [InlineData("file:/nowhere/guest")]
    [InlineData("exec:cat > /dev/null")]
    public void Nothing_goes_over_to_what_has_no_way_back(string destination)
    {
        using var rig = new SourceRig();
        Failing.With(MigrationErrorId.InvalidParameter, () => Migration.Start(rig.Guest, Engine.Transport.MigrationUri.Parse(destination), rig.Parameters));
        rig.AssertRunsHere();
    }
}
