using System.Diagnostics;

namespace PsMigrate.Engine.Source;

/// <summary>
/// What the other end of a probe acknowledges, batch by batch, as a rate; and how large a batch is to be: each takes a while, however fast or slow the link is.
/// </summary>
/// <param name="first">Bytes of the first batch.</param>
/// <param name="warmUp">So long the link fills, and batches grow; what comes then counts only where nothing else does.</param>
sealed class ProbeRate(int first, TimeSpan warmUp)
{
    // Bytes; a tenth of a second of a link that is as fast as memory.
    const long MostBatch = 256 << 20;
    static readonly TimeSpan Tenth = TimeSpan.FromMilliseconds(100);

    // A link that is far away may fill for so many warm-ups.
    const int MostWarmUps = 3;

    readonly Stopwatch _clock = new();
    TimeSpan _enough, _last, _from;
    long _bytes, _before;

    /// <summary>Bytes of the next one.</summary>
    public long Batch { get; private set; } = first;

    /// <summary>Since it began.</summary>
    public TimeSpan Elapsed => _clock.Elapsed;

    /// <summary>Whether anything was acknowledged.</summary>
    public bool IsKnown => _bytes > 0;

    /// <summary>Bytes/s until the last acknowledgement: of what came after the link was filled, or of all where that is all.</summary>
    public double Value => _bytes > _before ? (_bytes - _before) / Math.Max(1e-6, (_last - _from).TotalSeconds) : _bytes / Math.Max(1e-6, _last.TotalSeconds);

    /// <param name="answer">How long an answer takes on this link.</param>
    public void Begin(TimeSpan answer)
    {
        _enough = Tenth + answer;
        _clock.Start();
    }

    /// <summary>All bytes up to the end of this batch are there.</summary>
    public void Acknowledged(long batch) => Acknowledged(batch, _clock.Elapsed);

    /// <summary>The same at that time.</summary>
    internal void Acknowledged(long batch, TimeSpan now)
    {
        var took = now - _last;
        (_bytes, _last) = (_bytes + batch, now);
        var grows = took < _enough / 2 && Batch < MostBatch;
        if (grows) Batch = Math.Min(MostBatch, Batch * (took < _enough / 4 ? 4 : 2));
        if (now < warmUp || (grows && now < warmUp * MostWarmUps)) (_before, _from) = (_bytes, now);
    }
}
