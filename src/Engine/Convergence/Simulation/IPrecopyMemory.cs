namespace PsMigrate.Engine.Convergence;

/// <summary>The memory that a simulated sender goes through round and round, and the guest that writes to it. Seconds and bytes of pages.</summary>
interface IPrecopyMemory
{
    /// <summary>What is known to be dirty and has not gone.</summary>
    double Known { get; }

    /// <summary>Distinct pages that the guest dirtied between the last two looks at the whole log.</summary>
    double Dirtied { get; }

    /// <summary>Whether what goes is kept, to send differences of it later.</summary>
    bool KeepsPages { get; set; }

    /// <summary>How much of what is known goes first, as it is in one place; 0 when nothing is known.</summary>
    (double Left, bool IsFirst, bool IsKept) Next(double now);

    /// <summary>Which share of what goes next is zero, where it never went; null where that is not known place by place.</summary>
    double? ZeroShare => null;

    /// <summary>So much of it went.</summary>
    void Send(double bytes);

    /// <summary>The dirty log is read.</summary>
    void Synchronise(double now);

    /// <summary>Of what went, how much was written since; and what never went.</summary>
    (double Again, double Left) Peek(double now);
}
