using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Questions;

/// <summary>The guest that is sent: suspended, of one vCPU, all random or never written.</summary>
sealed class SourceGuest : IDisposable
{
    /// <summary>2 GiB, as in all comparisons.</summary>
    public const long Size = 2L << 30;

    public SourceGuest(GuestContent content)
    {
        Guest = GuestRegistry.Create(new GuestOptions { Name = $"bench-{content}", MemorySize = Size, Content = content, StartSuspended = true });
        Digest = Guest.Digest();
    }

    public MemoryGuest Guest { get; }

    public string Digest { get; }

    public void Dispose() => GuestRegistry.Remove(Guest);
}
