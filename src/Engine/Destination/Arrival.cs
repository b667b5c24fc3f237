using System.Diagnostics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// What an incoming migration does with its sections, which depends on who sends: a guest of ours that announced itself
/// (<see cref="OurArrival"/>), or a machine of a QEMU (<see cref="CapturedArrival"/>). Called by the thread of the migration, in the order
/// of the stream.
/// </summary>
abstract class Arrival(IncomingLink link, IncomingPolicy policy)
{
    long _ramEnd;

    /// <summary>The guest's name.</summary>
    public abstract string Name { get; }

    /// <summary>The guest, from the moment that it is made; it may not be registered yet.</summary>
    public MemoryGuest? Guest { get; protected set; }

    /// <summary>Whether the guest is registered here: nothing that fails afterwards takes it back.</summary>
    public bool HasArrived { get; protected set; }

    /// <summary>From the end of RAM to the word that all is here; zero where none is given.</summary>
    public TimeSpan LoadTime { get; private set; }

    /// <summary>How long the start of the guest took.</summary>
    public TimeSpan StartTime { get; protected set; }

    /// <summary>How long the source may be silent now; null for ever.</summary>
    public event Action<TimeSpan?>? Expecting;

    protected IncomingLink Link => link;

    /// <summary>What is read from: the link, or the package of a postcopy.</summary>
    protected WireReader Reader => Package ?? link.Reader;

    /// <summary>The package of a postcopy while its sections are read; else null.</summary>
    public WireReader? Package { get; set; }

    protected IncomingPolicy Policy => policy;

    /// <summary>The memory for these blocks; whatever is wrong with them is thrown.</summary>
    public abstract GuestMemory Prepare((string Name, long Length)[] blocks);

    /// <summary>A FULL section whose header has been read, with its footer.</summary>
    public abstract void ReadSection(SectionHeader section);

    /// <summary>The footer of a section that this project reads itself.</summary>
    public virtual void ReadFooter(SectionHeader section) => section.ReadFooter(Reader);

    /// <summary>The end of RAM has been read: what follows keeps the guest standing.</summary>
    public void EndRam() => _ramEnd = Stopwatch.GetTimestamp();

    /// <summary>Behind the end of RAM. True when all that follows it, to the end of the stream, was read here.</summary>
    public virtual bool TryReadTail() => false;

    /// <summary>EOF has been read: what may come behind it, and whether all was there.</summary>
    public abstract void ReadEnd();

    /// <summary>All is loaded: the guest becomes one of this host.</summary>
    public abstract void TakeOver(ArrivingRam ram);

    /// <summary>It failed before the guest arrived.</summary>
    public virtual void GiveUp()
    {
    }

    /// <summary>
    /// Takes a place for the guest, asks whether it may come, and makes its memory, in that order: so no more are asked about than there are
    /// places, and nothing is reserved for one that is refused. Throws MemoryExceeded, DestinationRefused, ConnectionLost, InvalidSize.
    /// </summary>
    protected GuestMemory Admit(IncomingMemory memory, ArrivalRequest guest, params (string Name, long Length)[] blocks)
    {
        Expect(policy.IdleTimeout);
        memory.Admit(guest.MemorySize, () => link.Connection.HasLeft(link.HasReturnPath));
        if (policy.Accept is not null)
        {
            // The source waits, and has nothing to say.
            Expect(null);
            policy.Ask(guest);
        }
        Expect(policy.IdleTimeout);
        try
        {
            return memory.Reserve(blocks);
        }
        catch (MigrationException e) when (e.Side == MigrationSide.User)
        {
            throw Reader.Error(e.Id, e.Message);
        }
    }

    protected void CheckVersion(SectionHeader section, uint version)
    {
        if (section.Version != version)
            throw Reader.Error(MigrationErrorId.UnsupportedSectionVersion, $"{section.Name} version {section.Version} is not supported, only {version}.");
    }

    protected MigrationException Unknown(SectionHeader section) =>
        Reader.Error(MigrationErrorId.UnknownSection, $"Section '{Printable.Text(section.Name)}' instance {section.Instance} is not known here.");

    /// <summary>All is here, and the source is told so next.</summary>
    protected void EndLoad() => LoadTime = Stopwatch.GetElapsedTime(_ramEnd);

    protected void Expect(TimeSpan? silence) => Expecting?.Invoke(silence);
}
