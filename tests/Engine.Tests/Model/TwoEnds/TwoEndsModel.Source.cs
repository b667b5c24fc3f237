using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Model.TwoEnds;

/// <summary>The source.</summary>
sealed partial class TwoEndsModel
{
    void AddSource(TwoEndsState s)
    {
        if (s.IsSourceOver) return;
        if (!s.ToSource.IsEmpty) AddHeard(s with { ToSource = s.ToSource.Skip() }, (Backward)s.ToSource.First);
        AddDone(s);
        if (!s.IsUp) AddLost(s);
        AddChosen(s);
    }

    /// <summary>What it does by itself.</summary>
    void AddDone(TwoEndsState s)
    {
        switch (s.Source)
        {
            case SourceStep.New:
                Own("start", Send(Move(s, MigrationStatus.Setup) with { Source = SourceStep.Setup, IsUp = true }, Forward.Announce));
                break;
            case SourceStep.Active:
                Own("switch over", Send(Stop(s), Forward.Rest));
                Own("go over to postcopy", Send(Stop(s) with { IsPostcopy = true, Left = Pages }, Forward.Package));
                break;
            case SourceStep.Settling when CanConnect(s):
                Own("ask what became of it", Connect(s, Forward.Query) with { Source = SourceStep.Asking });
                break;
            case SourceStep.Following when s.Left > 0:
                Own("send a page", Send(s with { Left = (byte)(s.Left - 1) }, Forward.Page));
                break;
            case SourceStep.Following when !s.IsEndSent:
                Own("send END", Send(s with { IsEndSent = true }, Forward.End));
                break;
            case SourceStep.Paused when CanConnect(s):
                Own("recover", Connect(Move(s, MigrationStatus.PostcopyRecoverSetup), Forward.Join) with { Source = SourceStep.Joining });
                break;
        }
    }

    static bool CanConnect(TwoEndsState s) => s.Destination != DestinationStep.Dead;

    static TwoEndsState Stop(TwoEndsState s) => Move(s, MigrationStatus.Device) with { Source = SourceStep.Sent, Held = HeldGuest.Stands };

    /// <summary>The next message of the destination.</summary>
    void AddHeard(TwoEndsState s, Backward message)
    {
        var name = $"the source hears {message}";
        switch (s.Source, message)
        {
            case (SourceStep.Setup, Backward.Accepted):
                Own(name, Move(s, MigrationStatus.Active) with { Source = SourceStep.Active });
                break;
            case (SourceStep.Sent, Backward.Ready):
                Own(name, Send(s, Forward.Run) with { Source = SourceStep.Committed });
                break;
            case (SourceStep.Committed, Backward.Running) when s.IsPostcopy:
                Own(name, Move(s, MigrationStatus.PostcopyActive) with { Source = SourceStep.Following });
                break;
            case (SourceStep.Committed, Backward.Running):
            case (SourceStep.Asking, Backward.OutcomeRunning) when !s.IsPostcopy:
                Own(name, Complete(s));
                break;
            case (SourceStep.Asking, Backward.OutcomeRunning):
                // It runs there, and the link to it is gone.
                Own(name, Leave(Move(s, MigrationStatus.PostcopyActive, MigrationStatus.PostcopyPaused)) with { Source = SourceStep.Paused });
                break;
            case (SourceStep.Asking, Backward.OutcomeDiscarded):
                Own(name, TakeBack(s));
                break;
            case (SourceStep.Asking, Backward.OutcomeUnknown or Backward.OutcomeOfAnother):
                Own(name, Leave(s) with { Source = SourceStep.Settling });
                break;
            case (SourceStep.Following or SourceStep.Comparing, Backward.Shut) when s.Left > 0:
                throw new BrokenRuleException("The destination says that it has all, and the source has pages to send.");
            case (SourceStep.Following, Backward.Shut):
                Own(name, Complete(s));
                break;
            case (SourceStep.Comparing, Backward.Shut):
                Own(name, Complete(Move(s, MigrationStatus.PostcopyActive)));
                break;
            case (SourceStep.Joining, Backward.OutcomeRunning):
                Own(name, Send(Move(s, MigrationStatus.PostcopyRecover), Forward.AskBitmap) with { Source = SourceStep.Comparing });
                break;
            case (SourceStep.Joining, Backward.OutcomeDiscarded):
                throw new BrokenRuleException("A guest that ran counts as discarded.");
            case (SourceStep.Joining, Backward.OutcomeUnknown):
                Own(name, LoseInRecovery(s));
                break;
            case (SourceStep.Joining, Backward.OutcomeOfAnother):
                // The right one may come back.
                Own(name, Leave(Move(s, MigrationStatus.PostcopyPaused)) with { Source = SourceStep.Paused });
                break;
            case (SourceStep.Comparing, Backward.Bitmap0 or Backward.Bitmap1 or Backward.Bitmap2):
                Own(name, Send(Take(s, (byte)(message - Backward.Bitmap0)), Forward.Resume) with { Source = SourceStep.Resuming });
                break;
            case (SourceStep.Resuming, Backward.ResumeAck):
                Own(name, Move(s, MigrationStatus.PostcopyActive) with { Source = SourceStep.Following, IsEndSent = false });
                break;
            case (SourceStep.Following, Backward.Failure):
                Own(name, flaw == Flaw.FailureGivesItBack ? TakeBack(s) : Lose(s));
                break;
            case (SourceStep.Comparing or SourceStep.Resuming, Backward.Failure):
                Own(name, LoseInRecovery(s));
                break;
            case (_, Backward.Failure):
                // Before RUN, and behind it when the guest could not be taken in: it never ran there.
                Own(name, TakeBack(s));
                break;
            default:
                throw new BrokenRuleException($"{message} comes to a source that is {s.Source}.");
        }
    }

    TwoEndsState Take(TwoEndsState s, byte missing) => flaw == Flaw.SourceBelievesItself ? s : s with { Left = missing };

    /// <summary>The link is gone, and whatever may still have come of it.</summary>
    void AddLost(TwoEndsState s)
    {
        const string name = "the source notices that its link is gone";
        switch (s.Source)
        {
            case SourceStep.Setup or SourceStep.Active or SourceStep.Sent:
                Own(name, TakeBack(s));
                break;
            case SourceStep.Committed when flaw == Flaw.SourceResumesAfterRun:
                Own(name, TakeBack(s));
                break;
            case SourceStep.Committed or SourceStep.Asking:
                Own(name, Leave(s) with { Source = SourceStep.Settling });
                break;
            case SourceStep.Following:
                Own(name, Leave(Move(s, MigrationStatus.PostcopyPaused)) with { Source = SourceStep.Paused });
                break;
            case SourceStep.Joining or SourceStep.Comparing or SourceStep.Resuming:
                Own(name, Leave(Move(s, MigrationStatus.PostcopyPaused)) with { Source = SourceStep.Paused });
                break;
        }
    }

    /// <summary>Users, and limits of time.</summary>
    void AddChosen(TwoEndsState s)
    {
        var isCancelled = s.Source is SourceStep.Setup or SourceStep.Active or SourceStep.Sent || (flaw == Flaw.CancelAfterRun && s.Source == SourceStep.Committed);
        if (isCancelled)
            Choice("cancel", End(Move(s, MigrationStatus.Cancelling, MigrationStatus.Cancelled), GuestLocation.Source) with { Held = HeldGuest.Runs });
        if (s.Source == SourceStep.Settling)
            Choice("the source stops asking", End(Move(s, MigrationStatus.Failing, MigrationStatus.Failed), GuestLocation.InDoubt));
        if (s.Source == SourceStep.Following)
            Choice("suspend", Leave(Move(s, MigrationStatus.PostcopyPaused)) with { Source = SourceStep.Paused });
        if (s.Source == SourceStep.Paused)
            Choice("the source gives up", GiveUp(s));
    }

    /// <summary>Nobody can say whether the last pages came; of pages that were never sent everybody can.</summary>
    TwoEndsState GiveUp(TwoEndsState s) => End(Move(s, MigrationStatus.Failing, MigrationStatus.Failed),
        s.Left > 0 || flaw == Flaw.GivenUpIsLost ? GuestLocation.Lost : GuestLocation.InDoubt);

    static TwoEndsState Complete(TwoEndsState s) => End(Move(s, MigrationStatus.Completed), GuestLocation.Destination) with { Held = HeldGuest.Gone };

    TwoEndsState TakeBack(TwoEndsState s)
    {
        s = End(Move(s, MigrationStatus.Failing, MigrationStatus.Failed), GuestLocation.Source);
        return flaw == Flaw.SourceForgetsItsGuest ? s : s with { Held = HeldGuest.Runs };
    }

    static TwoEndsState Lose(TwoEndsState s) => End(Move(s, MigrationStatus.Failing, MigrationStatus.Failed), GuestLocation.Lost);

    TwoEndsState LoseInRecovery(TwoEndsState s) => Lose(flaw == Flaw.FailsOutOfRecovery ? s : Move(s, MigrationStatus.PostcopyPaused));

    static TwoEndsState End(TwoEndsState s, GuestLocation location) => Leave(s) with { Source = SourceStep.Ended, Location = location };
}
