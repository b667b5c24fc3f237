using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Peers;

/// <summary>The guest that is sent: suspended, of one vCPU, the same however often it is sent.</summary>
sealed class SourceGuest : IDisposable
{
    /// <summary>2 GiB, as in all comparisons.</summary>
    public const long Size = 2L << 30;

    static readonly Lazy<SourceGuest> SharedRandom = new(() => new SourceGuest(GuestContent.Random));
    static readonly Lazy<RamImage> SharedImage = new(() => new RamImage(Random.Guest.Memory));

    public SourceGuest(GuestContent content)
    {
        IsZero = content == GuestContent.Zero;
        Guest = GuestRegistry.Create(new GuestOptions { Name = $"bench-{content}", MemorySize = Size, Content = content, StartSuspended = true });
        Digest = Guest.Digest();
    }

    /// <summary>One whose every page was written, with zeros.</summary>
    public static unsafe SourceGuest OfWrittenZeros()
    {
        var source = new SourceGuest(GuestContent.Zero);
        var ram = source.Guest.Memory.Ram;
        source.Guest.Memory.ExpectDense(ram, 0, ram.Pages);
        for (long page = 0; page < ram.Pages; page++)
        {
            new Span<byte>(ram.PageForWrite(page), GuestMemory.PageSize).Clear();
            ram.Wrote(page);
        }
        return source;
    }

    /// <summary>The one with random RAM, which most questions share: making it takes longer than sending it.</summary>
    public static SourceGuest Random => SharedRandom.Value;

    /// <summary>The same RAM for a QEMU.</summary>
    public static RamImage RandomImage => SharedImage.Value;

    public MemoryGuest Guest { get; }

    /// <summary>Whether a destination has nothing to write.</summary>
    public bool IsZero { get; }

    public string Digest { get; }

    /// <summary>Migrates it; the copy that stays is as it was.</summary>
    public MigrationRun Send(MigrationUri uri, MigrationParameters asked)
    {
        var run = OurSide.Send(Guest, uri, asked);
        Guest.Resume(force: true);
        Guest.Suspend();
        return run;
    }

    public void Dispose() => GuestRegistry.Remove(Guest);
}
