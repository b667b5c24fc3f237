namespace PsMigrate.Engine.Tests.Model.TwoEnds;

/// <summary>Mistakes that one could make; the model has to find what comes of each.</summary>
public enum Flaw
{
    None,

    /// <summary>The source takes the guest back when the link breaks behind RUN.</summary>
    SourceResumesAfterRun,

    /// <summary>The source can be cancelled behind RUN.</summary>
    CancelAfterRun,

    /// <summary>RUN is enough for the destination, whatever the ledger says.</summary>
    RunsWithoutTheLedger,

    /// <summary>A question is answered, and RUN may still come.</summary>
    QuestionClosesNothing,

    /// <summary>The guest runs at the destination from the package on, as in QEMU, and the source takes it back as in precopy.</summary>
    RunIsInThePackage,

    /// <summary>The source leaves the guest as it stands when it fails.</summary>
    SourceForgetsItsGuest,

    /// <summary>After a recovery goes what was thought to be left.</summary>
    SourceBelievesItself,

    /// <summary>Given up while it is paused, the guest counts as lost, also when all of it was sent.</summary>
    GivenUpIsLost,

    /// <summary>A destination whose link breaks waits for pages, also when none is missing.</summary>
    WaitsForNothing,

    /// <summary>A destination that waits for RUN waits for ever.</summary>
    WaitsForRunForEver,

    /// <summary>A failed recovery ends the migration from where it is.</summary>
    FailsOutOfRecovery,

    /// <summary>A destination that paused and is joined says that it does not know the migration.</summary>
    JoinIsUnknown,

    /// <summary>The source takes FAILURE for an end in which it has the guest, also when it ran there.</summary>
    FailureGivesItBack,
}
