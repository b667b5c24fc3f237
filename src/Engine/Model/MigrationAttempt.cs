namespace PsMigrate.Engine.Model;

/// <summary>One attempt of a migration that starts over by itself when it fails. Immutable.</summary>
/// <param name="Number">Which one, from 1.</param>
/// <param name="Started">When it began, UTC.</param>
/// <param name="Ended">When it ended, UTC; null while it runs.</param>
/// <param name="Error">Why it failed; null while it has not.</param>
/// <param name="TransferredBytes">Bytes that it wrote to the link.</param>
/// <param name="Iterations">Passes that it made over memory, the last one perhaps not to its end; 0 when it sent nothing.</param>
public sealed record MigrationAttempt(int Number, DateTime Started, DateTime? Ended, MigrationException? Error, long TransferredBytes, int Iterations)
{
    /// <summary>One line.</summary>
    public override string ToString() => $"{Number}: {(Ended is null ? "runs" : Error is null ? "ended" : $"{Error.Id}: {Error.Message}")}";
}
