using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Retries;

/// <summary>What starts over, how often, and how several attempts look like one migration; the attempts are scripted.</summary>
public sealed class RetryingRunTests
{
    static readonly MigrationParameters Thrice = new() { Retries = 3, RetryDelay = TimeSpan.Zero };
    static readonly MigrationParameters WithLongPause = new() { Retries = 3, RetryDelay = TimeSpan.FromHours(1) };

    [Fact]
    public void It_starts_over_until_it_succeeds_and_records_each_attempt()
    {
        using var attempts = new ScriptedAttempts(
            ScriptedAttempts.Failed(), ScriptedAttempts.Failed(MigrationErrorId.ConnectionLost, passes: 2), new Script(Passes: 1));
        var (result, row, run) = Finish(attempts, Thrice);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination, null), (result.State, result.Location, result.Error));
        Assert.Equal([1, 2, 3], result.Attempts.Select(attempt => attempt.Number));
        Assert.Equal([MigrationErrorId.ConnectionRefused, MigrationErrorId.ConnectionLost, null], result.Attempts.Select(attempt => attempt.Error?.Id));
        Assert.Equal([(0L, 0), (200L, 3), (100L, 2)], result.Attempts.Select(attempt => (attempt.TransferredBytes, attempt.Iterations)));
        Assert.All(result.Attempts, attempt => Assert.True(attempt.Ended >= attempt.Started));
        // The one that sent nothing made no pass; what the second had begun is one.
        Assert.Equal([(2, 1, false), (2, 2, false), (2, 3, false), (3, 1, false), (3, 2, true)], row.Select(pass => (pass.Attempt, pass.Iteration, pass.IsFinal)));
        Assert.All(row[..^1], pass => Assert.Null(pass.Result));
        Assert.Same(result, row[^1].Result);
        var state = run.GetState();
        Assert.Equal(result.Attempts, state.Attempts);
        Assert.Equal(row, state.Iterations);
        Assert.Equal(["Begin", "Retry", "Begin", "Retry", "Begin"], state.Decisions.Select(decision => decision.What));
        Assert.Equal([false, true, false, true, false], state.Decisions.Select(decision => decision.IsWarning));
        Assert.Equal("attempt 2 of at most 4", state.Decisions[1].To);
        Assert.Equal((MigrationStatus.Completed, Thrice), (state.State, state.Parameters));
        Assert.False(attempts.Guest.IsBusy);
    }

    [Fact]
    public void The_last_attempts_failure_is_final()
    {
        using var attempts = new ScriptedAttempts(
            ScriptedAttempts.Failed(), ScriptedAttempts.Failed(), ScriptedAttempts.Failed(), ScriptedAttempts.Failed(MigrationErrorId.PeerSilent));
        var (result, row, run) = Finish(attempts, Thrice);
        Assert.Equal((MigrationStatus.Failed, MigrationErrorId.PeerSilent), (result.State, result.Error!.Id));
        Assert.Equal(4, result.Attempts.Length);
        Assert.True(Assert.Single(row).IsFinal);
        Assert.Equal("no other", run.GetState().Decisions[^1].To);
        Assert.False(run.GetState().Decisions[^1].IsWarning);
    }

    [Theory]
    [InlineData(MigrationErrorId.DestinationRefused, MigrationSide.Destination, GuestLocation.Source)]
    [InlineData(MigrationErrorId.InvalidUri, MigrationSide.User, GuestLocation.Source)]
    [InlineData(MigrationErrorId.Timeout, MigrationSide.Source, GuestLocation.Source)]
    [InlineData(MigrationErrorId.ConnectionLost, MigrationSide.Link, GuestLocation.InDoubt)]
    [InlineData(MigrationErrorId.ConnectionLost, MigrationSide.Link, GuestLocation.Destination)]
    [InlineData(MigrationErrorId.GuestLost, MigrationSide.Link, GuestLocation.Lost)]
    public void What_does_not_pass_by_waiting_is_final(MigrationErrorId id, MigrationSide side, GuestLocation at)
    {
        using var attempts = new ScriptedAttempts(new Script(MigrationStatus.Failed, ScriptedAttempts.Failure(id, side), at));
        var (result, _, _) = Finish(attempts, Thrice);
        Assert.Equal((MigrationStatus.Failed, id, at), (result.State, result.Error!.Id, result.Location));
        Assert.Single(result.Attempts);
    }

    [Fact]
    public void An_attempt_that_cannot_begin_is_one_that_failed()
    {
        using var attempts = new ScriptedAttempts(
            ScriptedAttempts.Failed(passes: 1), new Script(StartError: ScriptedAttempts.Failure(MigrationErrorId.GuestBusy, MigrationSide.User)),
            new Script(StartError: ScriptedAttempts.Failure(MigrationErrorId.GuestInDoubt, MigrationSide.User)));
        var (result, row, run) = Finish(attempts, Thrice);
        Assert.Equal((MigrationStatus.Failed, MigrationErrorId.GuestInDoubt), (result.State, result.Error!.Id));
        Assert.Equal([100L, 0L, 0L], result.Attempts.Select(attempt => attempt.TransferredBytes));
        Assert.Equal([1, 1, 3], row.Select(pass => pass.Attempt));
        Assert.Equal(["Begin", "Retry", "Retry"], run.GetState().Decisions.Select(decision => decision.What));
    }

    [Fact]
    public void What_keeps_the_first_attempt_from_beginning_is_thrown_and_nothing_has_changed()
    {
        using var attempts = new ScriptedAttempts(new Script(StartError: ScriptedAttempts.Failure()));
        Failing.With(MigrationErrorId.ConnectionRefused, () => attempts.Run(Thrice).Start());
        Assert.False(attempts.Guest.IsBusy);
    }

    [Fact]
    public void One_that_can_not_be_followed_is_cancelled_and_told_as_what_it_is()
    {
        using var attempts = new ScriptedAttempts(ScriptedAttempts.Failed(), new Script(Waits: true, CanNotBeFollowed: true));
        var (result, row, run) = Finish(attempts, Thrice);
        Assert.Equal((MigrationStatus.Failed, MigrationErrorId.InternalError, GuestLocation.Source), (result.State, result.Error!.Id, result.Location));
        Assert.Equal(GuestLocation.Source, result.Error.Location);
        Assert.True(row[^1].IsFinal);
        Assert.Contains("Cancel", attempts.Made[1].Told);
        Assert.Contains(run.GetState().Decisions, decision => decision is { What: "Retry", To: "no other", IsWarning: true });
        Assert.False(attempts.Guest.IsBusy);
    }

    [Fact]
    public void One_that_can_not_be_followed_and_completes_all_the_same_has_completed()
    {
        using var attempts = new ScriptedAttempts(new Script(Waits: true, CanNotBeFollowed: true));
        var run = attempts.Run(Thrice);
        attempts.Next = made => made.Status = MigrationStatus.PostcopyActive;
        run.Start();
        Patience.Until(() => attempts.Made is [var one] && one.Told.Contains("Cancel"), "the cancel");
        Assert.Null(run.Result);
        attempts.Made[0].GoOn();
        Assert.True(run.Wait(Patience.Limit));
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (run.Result!.State, run.Result.Location));
        Assert.False(attempts.Guest.IsBusy);
    }

    [Fact]
    public void A_cancel_ends_the_pause()
    {
        using var attempts = new ScriptedAttempts(ScriptedAttempts.Failed(passes: 1));
        var run = Paused(attempts);
        Assert.Equal((MigrationStatus.Setup, null), (run.Status, run.Result));
        var answer = Patience.Within(() => run.Cancel(wait: true), "the answer to the cancel");
        Assert.Equal((CancelOutcome.Cancelled, MigrationStatus.Cancelled, GuestLocation.Source), (answer.Outcome, answer.State, answer.Location));
        Assert.Equal((MigrationStatus.Cancelled, null), (run.Result!.State, run.Result.Error));
        Assert.Equal(MigrationErrorId.ConnectionRefused, Assert.Single(run.Result.Attempts).Error!.Id);
        Assert.Equal(CancelOutcome.AlreadyEnded, run.Cancel(wait: true).Outcome);
        Assert.False(attempts.Guest.IsBusy);
    }

    [Fact]
    public void A_cancel_of_an_attempt_is_the_end()
    {
        using var attempts = new ScriptedAttempts(ScriptedAttempts.Failed(), new Script(Waits: true));
        var run = attempts.Run(Thrice);
        run.Start();
        Patience.Until(() => run.GetState().Attempts.Length == 2, "the second attempt");
        Assert.Equal(CancelOutcome.Cancelled, Patience.Within(() => run.Cancel(wait: true), "the answer").Outcome);
        Assert.Equal(2, run.Result!.Attempts.Length);
    }

    [Fact]
    public void One_whose_cancel_came_too_late_does_not_start_over()
    {
        using var attempts = new ScriptedAttempts(ScriptedAttempts.Failed(MigrationErrorId.ConnectionLost) with { Waits = true });
        var run = attempts.Run(Thrice);
        run.Start();
        attempts.Made[0].Status = MigrationStatus.PostcopyActive;
        Assert.Equal(CancelOutcome.TooLate, run.Cancel(wait: true).Outcome);
        attempts.Made[0].GoOn();
        Assert.True(run.Wait(Patience.Limit));
        Assert.Equal((MigrationStatus.Failed, 1), (run.Result!.State, run.Result.Attempts.Length));
    }

    [Fact]
    public void Nobody_else_gets_the_guest_in_the_pause()
    {
        using var attempts = new ScriptedAttempts(ScriptedAttempts.Failed());
        var run = Paused(attempts);
        Assert.True(attempts.Guest.IsBusy);
        var error = Failing.With(MigrationErrorId.GuestBusy,
            () => Migration.Start(attempts.Guest, PsMigrate.Engine.Transport.MigrationUri.Parse("local:elsewhere"), new MigrationParameters()));
        Assert.Contains("starts over", error.Message, StringComparison.Ordinal);
        Failing.With(MigrationErrorId.GuestBusy, () => attempts.Run(Thrice).Start());
        Failing.With(MigrationErrorId.GuestBusy, () => GuestRegistry.Remove(attempts.Guest));
        run.Cancel(wait: true);
        Assert.False(attempts.Guest.IsBusy);
        attempts.Guest.Claim(this, Guid.NewGuid(), keepsSource: false);
        attempts.Guest.Unclaim(this);
    }

    [Fact]
    public void In_the_pause_its_state_says_so_and_refuses_what_is_for_an_attempt()
    {
        using var attempts = new ScriptedAttempts(ScriptedAttempts.Failed());
        var run = Paused(attempts);
        var state = run.GetState();
        Assert.Equal((MigrationStatus.Setup, MigrationPhase.Connect, MigrationBottleneck.Starting), (state.State, state.Phase, state.Bottleneck));
        Assert.Contains("Stop-Migration", state.Advice, StringComparison.Ordinal);
        Assert.Equal((false, null), (state.Current.IsFinal, state.Current.Result));
        Failing.With(MigrationErrorId.InvalidState, run.Complete);
        Failing.With(MigrationErrorId.InvalidState, run.SwitchToPostcopy);
        Failing.With(MigrationErrorId.InvalidState, run.Pause);
        Failing.With(MigrationErrorId.InvalidState, () => run.Recover(null));
        run.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(1)));
        Assert.Equal(TimeSpan.FromSeconds(1), run.GetState().Parameters.MaxDowntime);
        run.Cancel(wait: true);
        Failing.With(MigrationErrorId.InvalidState, () => run.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(2))));
    }

    [Fact]
    public void An_answer_goes_to_the_attempt_that_its_pass_is_of()
    {
        using var attempts = new ScriptedAttempts(ScriptedAttempts.Failed(passes: 1), new Script(Passes: 1, Waits: true));
        var run = attempts.Run(Thrice);
        run.Start();
        var (next, row) = (0, new List<MigrationIteration>());
        while (row is not [.., { Attempt: 2 }])
        {
            Assert.True(run.TryTakeIteration(ref next, out var pass, Patience.Limit));
            row.Add(pass!);
        }
        Assert.False(run.AwaitsAnswer(row[0]) || run.Answer(row[0], [], failure: null));
        Assert.True(run.AwaitsAnswer(row[^1]) && run.Answer(row[^1], [], failure: null));
        lock (attempts.Made[1].Told) Assert.Contains("Answer to pass 1", attempts.Made[1].Told);
        run.Cancel(wait: true);
    }

    [Fact]
    public void What_is_changed_in_the_pause_is_told_too()
    {
        using var attempts = new ScriptedAttempts(ScriptedAttempts.Failed());
        var run = Paused(attempts);
        run.SetLimits(new MigrationLimits { Policy = MigrationPolicy.Find("StallAware"), MaxThrottle = 10 });
        Assert.Equal(["Policy", "MaxThrottle"], run.GetState().Decisions.Where(one => one.Reason == "Set-Migration was called.").Select(one => one.What));
        run.Cancel(wait: true);
    }

    [Fact]
    public void The_time_allowed_is_for_all_attempts_together()
    {
        var limit = TimeSpan.FromHours(1);
        using var attempts = new ScriptedAttempts(ScriptedAttempts.Failed(), new Script(Waits: true));
        var run = attempts.Run(Thrice with { Timeout = limit });
        run.Start();
        Patience.Until(() => run.GetState().Attempts.Length == 2, "the second attempt");
        Assert.True(attempts.Made[1].Parameters.Timeout < attempts.Made[0].Parameters.Timeout);
        Assert.Equal(0, attempts.Made[1].Parameters.Retries);
        Assert.Equal(limit, run.GetState().Parameters.Timeout);
        attempts.Made[1].GoOn();
        Assert.True(run.Wait(Patience.Limit));
    }

    [Fact]
    public void Another_time_allowed_counts_for_an_attempt_from_its_own_begin()
    {
        using var attempts = new ScriptedAttempts(new Script(Waits: true));
        var run = attempts.Run(Thrice with { Timeout = TimeSpan.FromHours(1) });
        run.Start();
        run.SetLimits(new MigrationLimits(Timeout: TimeSpan.FromHours(2)));
        // Its phases begin with it; what has gone by since it subtracts by itself.
        Assert.Equal(TimeSpan.FromHours(2) - run.GetState().Phases[0].Start, attempts.Made[0].Timeout);
        var told = Assert.Single(run.GetState().Decisions, one => one.What == "Timeout");
        Assert.Equal(("1 h", "2 h"), (told.From, told.To));
        run.Cancel(wait: true);
    }

    [Fact]
    public void The_percent_does_not_go_back_with_another_attempt()
    {
        using var attempts = new ScriptedAttempts(ScriptedAttempts.Failed() with { Waits = true }, new Script(Waits: true));
        var run = attempts.Run(Thrice);
        run.Start();
        Assert.Null(run.GetState().PercentComplete);
        attempts.Made[0].Percent = 60;
        Assert.Equal(60, run.GetState().PercentComplete);
        attempts.Made[0].GoOn();
        Patience.Until(() => run.GetState().Attempts.Length == 2, "the second attempt");
        Assert.Equal(60, run.GetState().PercentComplete);
        attempts.Made[1].Percent = 20;
        Assert.Equal(60, run.GetState().PercentComplete);
        attempts.Made[1].Percent = 70;
        Assert.Equal(70, run.GetState().PercentComplete);
        run.Cancel(wait: true);
    }

    [Fact]
    public void It_does_not_wait_for_an_attempt_that_would_come_too_late()
    {
        using var attempts = new ScriptedAttempts(ScriptedAttempts.Failed());
        var (result, _, run) = Finish(attempts, WithLongPause with { Timeout = TimeSpan.FromMinutes(30) });
        Assert.Equal((MigrationErrorId.ConnectionRefused, 1), (result.Error!.Id, result.Attempts.Length));
        Assert.Contains("time allowed", run.GetState().Decisions[^1].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_limit_that_was_kept_by_no_attempt_is_told_as_it_was_asked_for()
    {
        using var attempts = new ScriptedAttempts(ScriptedAttempts.Failed(), ScriptedAttempts.Failed(MigrationErrorId.Timeout));
        var (result, _, _) = Finish(attempts, Thrice with { Timeout = TimeSpan.FromSeconds(77) });
        Assert.Equal(MigrationErrorId.Timeout, result.Error!.Id);
        Assert.Contains("77 s, the time allowed for its 2 attempts", result.Error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_paused_in_postcopy_goes_on_by_itself_so_often()
    {
        using var attempts = new ScriptedAttempts(new Script(Waits: true));
        var run = attempts.Run(Thrice with { Retries = 2 });
        run.Start();
        var attempt = attempts.Made[0];
        for (var round = 1; round <= 2; round++)
        {
            attempt.Status = MigrationStatus.PostcopyPaused;
            Patience.Until(() => attempt.Status == MigrationStatus.PostcopyActive, $"recovery {round}");
        }
        attempt.RecoverError = ScriptedAttempts.Failure();
        attempt.Status = MigrationStatus.PostcopyPaused;
        attempt.GoOn();
        Assert.True(run.Wait(Patience.Limit));
        lock (attempt.Told) Assert.Equal(2, attempt.Told.Count(what => what.StartsWith("Recover", StringComparison.Ordinal)));
        Assert.Single(run.Result!.Attempts);
    }

    [Fact]
    public void A_recovery_that_is_refused_is_told_and_counts()
    {
        using var attempts = new ScriptedAttempts(new Script(Waits: true));
        var run = attempts.Run(Thrice with { Retries = 2 });
        run.Start();
        var attempt = attempts.Made[0];
        (attempt.RecoverError, attempt.Status) = (ScriptedAttempts.Failure(), MigrationStatus.PostcopyPaused);
        Patience.Until(() => run.GetState().Decisions.Count(decision => decision is { What: "Recovery", To: "refused", IsWarning: true }) == 2, "two refusals");
        attempt.GoOn();
        Assert.True(run.Wait(Patience.Limit));
    }

    [Fact]
    public void What_was_paused_on_purpose_waits_for_whoever_paused_it()
    {
        using var attempts = new ScriptedAttempts(new Script(Waits: true));
        var run = attempts.Run(Thrice);
        run.Start();
        var attempt = attempts.Made[0];
        run.Pause();
        // Who asks for it twice is refused, and it stays on purpose.
        Failing.With(MigrationErrorId.InvalidState, run.Pause);
        // Long enough for the thread to have looked several times.
        for (var looked = 0; looked < 5; looked++)
        {
            Assert.False(run.Wait(TimeSpan.FromMilliseconds(100)));
            Assert.Equal(MigrationStatus.PostcopyPaused, run.Status);
        }
        run.Recover("there");
        Assert.Equal(MigrationStatus.PostcopyActive, run.Status);
        attempt.Status = MigrationStatus.PostcopyPaused;
        Patience.Until(() => attempt.Status == MigrationStatus.PostcopyActive, "the recovery of a link that broke by itself");
        attempt.GoOn();
        Assert.True(run.Wait(Patience.Limit));
    }

    static (MigrationResult Result, List<MigrationIteration> Row, RetryingRun Run) Finish(ScriptedAttempts attempts, MigrationParameters parameters)
    {
        var run = attempts.Run(parameters);
        run.Start();
        var row = new List<MigrationIteration>();
        for (var next = 0; row.Count == 0 || !row[^1].IsFinal;)
        {
            Assert.True(run.TryTakeIteration(ref next, out var pass, Patience.Limit));
            row.Add(pass!);
        }
        Assert.True(run.Wait(Patience.Limit));
        Assert.False(attempts.Guest.IsBusy);
        return (run.Result!, row, run);
    }

    /// <summary>One whose first attempt has failed, and whose pause does not end by itself.</summary>
    static RetryingRun Paused(ScriptedAttempts attempts)
    {
        var run = attempts.Run(WithLongPause);
        run.Start();
        Patience.Until(() => run.GetState().Phase == MigrationPhase.Connect, "the pause");
        return run;
    }
}
