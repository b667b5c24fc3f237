namespace PsMigrate.Bench.Matrix;

/// <summary>What a guest of the matrix does.</summary>
enum GuestLoad
{
    /// <summary>Nothing.</summary>
    Idle,

    /// <summary>One page after the other.</summary>
    Sequential,

    /// <summary>Any page, all alike.</summary>
    Random,

    /// <summary>Few pages often, many seldom.</summary>
    Zipf,

    /// <summary>Any page for half of the time, and nothing for the other half.</summary>
    Phases,

    /// <summary>Any page of a set that grows, at a rate that stays.</summary>
    Growing,

    /// <summary>One after the other, what is written adds one to what was there: the guest of BASELINES that a QEMU has too.</summary>
    Walking,
}
