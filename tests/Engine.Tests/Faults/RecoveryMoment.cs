using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>How far a recovery has come, when what follows is held up.</summary>
public enum RecoveryMoment
{
    /// <summary>It has connected, and the destination does not hear why.</summary>
    BeforeJoin,

    /// <summary>JOIN is there, and its answer on its way.</summary>
    JoinSent,

    /// <summary>OUTCOME has come, and the question for the bitmap is on its way.</summary>
    Joined,

    /// <summary>The question is there, and the bitmap on its way.</summary>
    BitmapAsked,

    /// <summary>The bitmap has come, and RESUME is on its way.</summary>
    BitmapHere,

    /// <summary>RESUME is there, and RESUME_ACK on its way.</summary>
    ResumeSent,
}

/// <summary>Where the messages of a recovery end, which are the same for every guest of a size.</summary>
static class Recovery
{
    /// <summary>What holds a recovery up at a moment; one of the two.</summary>
    public static (LinkFault? Forward, LinkFault? Back) HoldUp(RecoveryMoment moment, long memory)
    {
        var (forward, back) = Boundaries(memory);
        return moment switch
        {
            // Behind the magic, CONFIGURATION, OPEN_RETURN_PATH and PING.
            RecoveryMoment.BeforeJoin => (Stall(forward[4]), null),
            // Behind PONG.
            RecoveryMoment.JoinSent => (null, Stall(back[1])),
            RecoveryMoment.Joined => (Stall(forward[5]), null),
            RecoveryMoment.BitmapAsked => (null, Stall(back[2])),
            RecoveryMoment.BitmapHere => (Stall(forward[6]), null),
            // The bitmap follows its message.
            _ => (null, Stall(back[4])),
        };
    }

    /// <summary>Those of a recovery of a guest of so many bytes.</summary>
    static (List<long> Forward, List<long> Back) Boundaries(long memory)
    {
        using var rig = new FaultRig(size: memory)
        {
            Parameters = new() { Postcopy = true, Mode = MigrationMode.Postcopy, MaxPostcopyBandwidth = 1 }, IsPausedOnce = true, Struck = 2,
        };
        var (forward, back) = rig.Record();
        return (RecordBoundaries.Forward(forward), RecordBoundaries.Back(back));
    }

    static LinkFault Stall(long at) => new(LinkFaultKind.Stall, at);
}
