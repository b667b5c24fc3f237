using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>What a destination of a postcopy has read when it can answer, or misbehave.</summary>
enum PostcopyStep
{
    Announcement, Advise, RamStart, RamPart, SwitchoverStart, Discard, SwitchPing, PackageBegins, Listen, Package, Run, Pages, RamEnd, Eof, Join, Bitmap, Resume,
}

/// <summary>
/// The scripted other end of a real source in postcopy, over as many connections as it makes. It reads the stream with the production
/// readers, and answers as a destination of ours or as a QEMU does, except where a test has put something else.
/// </summary>
sealed class FakePostcopy(bool isQemu = false) : IDisposable
{
    readonly Dictionary<(int Link, PostcopyStep Step), Action<FakeLink>> _script = [];
    readonly List<(IConnection Link, Thread Thread)> _links = [];
    readonly List<Exception> _failures = [];

    public bool IsQemu => isQemu;

    /// <summary>What it answers to the ping of the extension; null for what a destination of ours does.</summary>
    public uint? ExtensionPong { get; init; }

    public Guid Instance { get; set; } = Guid.NewGuid();

    public HandoverOutcome Outcome { get; set; } = HandoverOutcome.Discarded;

    public GuestMemory? Memory { get; private set; }

    public RamLoader Ram => field ??= new RamLoader(blocks => Memory ??= new GuestMemory(blocks)) { AcceptsRuns = !isQemu };

    public List<PostcopyStep> Seen { get; } = [];

    public List<string> Sections { get; } = [];

    public GuestAnnouncement? Announcement { get; set; }

    public bool WantsToRun { get; set; }

    public bool IsAdvised { get; set; }

    /// <summary>Pages that were said to come anew, with repetitions.</summary>
    public long Discarded { get; set; }

    /// <summary>Pages that had come when the package was there.</summary>
    public long Before { get; set; }

    public int Connections => _links.Count;

    /// <summary>The first ping of QEMU, and signs of life.</summary>
    public int Pings { get; set; }

    /// <summary>Whether further connections are refused.</summary>
    public bool IsGone { get; set; }

    /// <summary>What further connections joined for.</summary>
    public List<JoinPurpose> Joined { get; } = [];

    /// <summary>Page numbers of the preempt channel, in their order.</summary>
    public List<long> Preempted { get; } = [];

    public bool PreemptEndedWithEos { get; set; }

    public PostcopyFigures? Figures { get; init; }

    /// <summary>Instead of the usual answer at one step of one connection.</summary>
    public FakePostcopy At(PostcopyStep step, Action<FakeLink> act, int link = 0)
    {
        _script[(link, step)] = act;
        return this;
    }

    public FakePostcopy CutAt(PostcopyStep step, int link = 0) => At(step, one => one.Cut(), link);

    public IConnection Connect(CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (IsGone) throw new MigrationException(MigrationErrorId.ConnectionRefused, MigrationSide.Link, "Nobody listens there.");
        var (source, link) = LocalLink.Create("fake");
        lock (_links)
        {
            var one = new FakeLink(this, link, _links.Count);
            var thread = new Thread(() => Serve(one)) { IsBackground = true, Name = "fake postcopy" };
            _links.Add((link, thread));
            thread.Start();
        }
        return source;
    }

    public void Reach(FakeLink link, PostcopyStep step)
    {
        lock (Seen) Seen.Add(step);
        if (_script.TryGetValue((link.Number, step), out var act)) act(link);
        else link.Answer(step);
    }

    /// <summary>What went wrong in this end itself.</summary>
    public void AssertSound()
    {
        foreach (var (_, thread) in _links) Assert.True(thread.Join(Patience.Limit), "The fake destination hangs.");
        Assert.Empty(_failures);
    }

    public void Dispose()
    {
        foreach (var (link, thread) in _links)
        {
            link.Abort();
            thread.Join(Patience.Limit);
        }
        Memory?.Release();
    }

    void Serve(FakeLink link)
    {
        try
        {
            link.Run();
        }
        catch (Exception e) when (e is FakeEnd or MigrationException)
        {
            // The script ends here, or the source gave up.
        }
        catch (Exception e)
        {
            lock (_failures) _failures.Add(e);
        }
        finally
        {
            link.Dispose();
        }
    }
}
