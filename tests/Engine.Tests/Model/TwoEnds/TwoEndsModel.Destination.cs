namespace PsMigrate.Engine.Tests.Model.TwoEnds;

/// <summary>The destination: one migration, and the listener that further connections come to.</summary>
sealed partial class TwoEndsModel
{
    void AddDestination(TwoEndsState s)
    {
        if (s.Destination == DestinationStep.Dead) return;
        if (!s.ToMigration.IsEmpty) AddRead(s with { ToMigration = s.ToMigration.Skip() }, (Forward)s.ToMigration.First);
        if (!s.ToListener.IsEmpty) AddJoined(s with { ToListener = s.ToListener.Skip() }, (Forward)s.ToListener.First, isStale: false);
        if (s.Stale != Forward.None) AddJoined(s with { Stale = Forward.None }, s.Stale, isStale: true);
        if (!(s.IsUp && s.IsSame)) AddLinkLost(s);
        AddDestinationChosen(s);
    }

    /// <summary>The next message of the source's main link.</summary>
    void AddRead(TwoEndsState s, Forward message)
    {
        var name = $"the destination reads {message}";
        switch (s.Destination, message)
        {
            case (DestinationStep.Idle, Forward.Announce):
                Own(name, Answer(s, Backward.Accepted) with { Destination = DestinationStep.Receiving });
                Choice("the destination refuses", Close(Answer(s, Backward.Failure)) with { Destination = DestinationStep.GaveUp });
                break;
            case (DestinationStep.Receiving, Forward.Rest):
                Own(name, Answer(s, Backward.Ready) with { Destination = DestinationStep.Loaded, Ledger = LedgerEntry.Open });
                break;
            case (DestinationStep.Receiving, Forward.Package) when flaw == Flaw.RunIsInThePackage:
                Own(name, Answer(s, Backward.Ready) with { Destination = DestinationStep.Filling, Missing = Pages, Ledger = LedgerEntry.Running, HasRunThere = true });
                break;
            case (DestinationStep.Receiving, Forward.Package):
                Own(name, Answer(s, Backward.Ready) with { Destination = DestinationStep.Loaded, Missing = Pages, Ledger = LedgerEntry.Open });
                break;
            case (DestinationStep.Loaded, Forward.Run):
                AddRun(s, name);
                break;
            case (DestinationStep.Filling, Forward.Run):
                Own(name, Answer(s, Backward.Running));
                break;
            case (DestinationStep.Filling, Forward.Page):
                Own(name, s with { Missing = (byte)Math.Max(0, s.Missing - 1) });
                break;
            case (DestinationStep.Filling, Forward.End) when s.Missing > 0:
                throw new BrokenRuleException("The source says that all is sent, and pages are missing.");
            case (DestinationStep.Filling, Forward.End):
                Own(name, Close(Answer(s, Backward.Shut)) with { Destination = DestinationStep.Whole });
                break;
            case (DestinationStep.Recovering, Forward.AskBitmap):
                Own(name, Answer(s, Backward.Bitmap0 + s.Missing));
                break;
            case (DestinationStep.Recovering, Forward.Resume):
                Own(name, Answer(s, Backward.ResumeAck) with { Destination = DestinationStep.Filling });
                break;
            case (DestinationStep.Whole or DestinationStep.GaveUp or DestinationStep.Lost or DestinationStep.Replaced, _):
                // Nobody reads there any more.
                Own("nobody reads", s);
                break;
            default:
                throw new BrokenRuleException($"{message} comes to a destination that is {s.Destination}.");
        }
    }

    void AddRun(TwoEndsState s, string name)
    {
        if (s.Ledger != LedgerEntry.Open && flaw != Flaw.RunsWithoutTheLedger)
        {
            Own(name + ", too late", GiveUp(s, says: false));
            return;
        }
        var running = Answer(s with { Ledger = LedgerEntry.Running, HasRunThere = true }, Backward.Running);
        Own(name, s.Missing > 0 ? running with { Destination = DestinationStep.Filling } : Close(Answer(running, Backward.Shut)) with { Destination = DestinationStep.Whole });
        Choice("the guest can't be taken in", GiveUp(s, says: true));
    }

    static TwoEndsState GiveUp(TwoEndsState s, bool says) =>
        Close(says ? Answer(s, Backward.Failure) : s) with { Destination = DestinationStep.GaveUp, Ledger = LedgerEntry.Discarded };

    /// <summary>A connection that has come anew says what it wants.</summary>
    void AddJoined(TwoEndsState s, Forward message, bool isStale)
    {
        var name = $"the listener reads {message}{(isStale ? ", late" : "")}";
        if (message == Forward.Query)
        {
            Own(name, isStale ? Ask(s, out _) : AnswerThere(Ask(s, out var outcome), outcome));
            return;
        }
        switch (s.Destination)
        {
            case DestinationStep.Filling or DestinationStep.Paused or DestinationStep.Recovering when flaw == Flaw.JoinIsUnknown:
                Own(name, isStale ? s : AnswerThere(s, Backward.OutcomeUnknown));
                break;
            case DestinationStep.Filling or DestinationStep.Paused or DestinationStep.Recovering:
                Own(name, Adopt(s, isStale));
                break;
            case DestinationStep.Whole or DestinationStep.Lost:
                // Its last words, once more.
                var last = s.Destination == DestinationStep.Whole ? Backward.Shut : Backward.Failure;
                Own(name, isStale ? s : AnswerThere(AnswerThere(s, Backward.OutcomeRunning), last) with { IsUp = s.IsSame && s.IsUp });
                break;
            default:
                var asked = Ask(s, out var answer);
                Own(name, isStale ? asked : AnswerThere(asked, answer));
                break;
        }
    }

    /// <summary>The link that it had is cut, and this one takes its place.</summary>
    static TwoEndsState Adopt(TwoEndsState s, bool isStale)
    {
        if (isStale)
            return s with { Destination = DestinationStep.Recovering, ToMigration = default, IsUp = s.IsUp && !s.IsSame, IsSame = false };
        return AnswerThere(s, Backward.OutcomeRunning) with
        {
            Destination = DestinationStep.Recovering,
            IsSame = true,
            ToMigration = s.ToListener,
            ToListener = default,
        };
    }

    /// <summary>What the ledger says; one that is open is closed by the question.</summary>
    TwoEndsState Ask(TwoEndsState s, out Backward outcome)
    {
        outcome = s.Ledger switch
        {
            _ when s.Destination == DestinationStep.Replaced => Backward.OutcomeOfAnother,
            LedgerEntry.Running => Backward.OutcomeRunning,
            LedgerEntry.None => Backward.OutcomeUnknown,
            _ => Backward.OutcomeDiscarded,
        };
        return s.Ledger == LedgerEntry.Open && flaw != Flaw.QuestionClosesNothing ? s with { Ledger = LedgerEntry.Discarded } : s;
    }

    /// <summary>Nothing more comes over the link of the migration.</summary>
    void AddLinkLost(TwoEndsState s)
    {
        const string name = "the destination notices that its link is gone";
        switch (s.Destination)
        {
            case DestinationStep.Receiving:
            case DestinationStep.Loaded when flaw != Flaw.WaitsForRunForEver:
                Own(name, GiveUp(s, says: false));
                break;
            case DestinationStep.Filling or DestinationStep.Recovering when s.Missing == 0 && flaw != Flaw.WaitsForNothing:
                Own(name, Close(s) with { Destination = DestinationStep.Whole });
                break;
            case DestinationStep.Filling or DestinationStep.Recovering:
                Own(name, Close(s) with { Destination = DestinationStep.Paused });
                break;
            case DestinationStep.Idle or DestinationStep.Whole or DestinationStep.GaveUp or DestinationStep.Lost or DestinationStep.Replaced
                when !s.ToMigration.IsEmpty:
                Own(name, s with { ToMigration = default });
                break;
        }
    }

    void AddDestinationChosen(TwoEndsState s)
    {
        if (s.Destination is DestinationStep.Receiving or DestinationStep.Loaded)
            Choice("the receiver is stopped", GiveUp(s, says: true));
        if (s.Destination is DestinationStep.Filling or DestinationStep.Recovering && s.Missing > 0)
            Choice("the destination fails", Close(Answer(s, Backward.Failure)) with { Destination = DestinationStep.Lost });
        if (s.Destination == DestinationStep.Paused)
            Choice("the destination waits no longer", s with { Destination = DestinationStep.Lost });
    }
}
