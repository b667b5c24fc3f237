using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Destination;

/// <summary>A guest of ours that runs here before all of its memory has come: pages that it needs are asked for.</summary>
sealed partial class OurArrival
{
    PageFaults? _faults;
    PageRequester? _requester;

    /// <summary>The migration, by which further connections name it.</summary>
    public Guid Migration => _announced.MigrationUuid;

    /// <summary>Whether the guest is here, and not all of its memory was there when it came.</summary>
    public bool HasGoneOver => HasArrived && _faults is not null;

    /// <summary>What it costs the guest; null in precopy.</summary>
    public PostcopyFigures? Postcopy => _faults?.Figures;

    /// <summary>What the source was told at the end of a postcopy, whether it heard it or not; empty before.</summary>
    public ReturnPathMessage[] LastWords { get; private set; } = [];

    /// <summary>Whether pages can be asked for as soon as the guest is here.</summary>
    public bool CanAsk => _requester is not null;

    /// <summary>While the guest still runs at its source, which may go over before its memory: all that the postcopy needs. Throws OutOfMemoryException.</summary>
    public void PrepareToGoOver(ArrivingRam ram) => _requester = new PageRequester(Link, ram, Name);

    /// <summary>
    /// The package has been read: READY, and on RUN the guest runs here. Until then it is given up like any other; behind it nothing is thrown.
    /// </summary>
    /// <param name="ram">Its memory, with pages missing.</param>
    /// <param name="over">Called when RUN is in the ledger, before anybody can learn of that.</param>
    public void GoOver(ArrivingRam ram, Action over)
    {
        CheckDevices();
        Guest = MakeGuest(ram.Memory);
        var faults = ram.Faults = _faults = new PageFaults(_cpus.Count, ram.HasCome, _requester!.Request);
        // A digest of memory that is not there says nothing.
        SayReady(digest: null);
        AwaitRun(() =>
        {
            Arrive(Guest, faults);
            over();
        });
        Expect(Policy.IdleTimeout);
        try
        {
            Start(Guest);
        }
        catch (Exception e) when (e is MigrationException or OutOfMemoryException)
        {
            // The user was faster, or it stays suspended; its pages come all the same.
        }
        Link.TrySend(ReturnPathMessage.Running(StartTime));
    }

    /// <summary>The link is gone. Nothing is asked for until there is another one.</summary>
    public void Pause() => _requester!.Pause();

    /// <summary>There is another link: what is waited for is asked for again.</summary>
    public void Resume()
    {
        _requester!.Resume();
        _faults!.RequestAgain();
    }

    /// <summary>Pages will never come.</summary>
    public void Lose(MigrationException error, string why)
    {
        _requester!.End();
        Guest!.Lose(why);
        LastWords = IncomingLink.FailureOf(error);
    }

    void EndPostcopy(ArrivingRam ram)
    {
        ram.CheckComplete(Reader);
        _requester!.End();
        Guest!.EndPostcopy();
        ram.Faults = null;
        ArrivedGuests.Add(Migration, Guest, Policy.RequiresTls);
        Expect(null);
        LastWords = [PostcopyFiguresMessage.Of(_faults!.Figures), ReturnPathMessage.Shut(0)];
        Link.TrySend(LastWords);
    }

    // Before anybody can find it: who resumes it must not run it on memory that is not there.
    void Arrive(MemoryGuest guest, PageFaults faults)
    {
        guest.BeginPostcopy(faults);
        try
        {
            Policy.Arrive(guest, Migration);
        }
        catch
        {
            guest.EndPostcopy();
            throw;
        }
    }
}
