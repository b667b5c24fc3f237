using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>What happens to a postcopy when its link breaks: it waits for another one, or is given up.</summary>
sealed partial class IncomingMigration
{
    readonly PostcopyPause _pause = new();
    string? _brokenOff;

    /// <summary>Whether it is a postcopy that waits for a recovery.</summary>
    public bool IsPaused => _pause.IsWaiting;

    /// <summary>
    /// Whether the QEMU at the other end has said that there may be a postcopy, so that connections may come that say nothing of themselves: a
    /// preempt channel. Those of our own ends say what they are (JOIN). Any thread may ask.
    /// </summary>
    public bool IsPostcopyAdvised => _postcopy != PostcopyStep.None && !_link.IsOurs;

    /// <summary>Whether the source's guest has been handed over, and pages are missing. Any thread may ask.</summary>
    public bool IsPostcopy => Status is MigrationStatus.PostcopyActive or MigrationStatus.PostcopyPaused or MigrationStatus.PostcopyRecover;

    /// <summary>Whether a connection that begins with a command, and does not say whose it is, may be its recovery. Any thread may ask.</summary>
    public bool MayRecover => IsPostcopy && !_link.IsOurs;

    /// <summary>Pages of a postcopy that have not come; 0 without one. Any thread may ask.</summary>
    public long MissingPages => _postcopy == PostcopyStep.Running && !IsEnded ? _ram.Ram!.MissingPages : _lostPages;

    /// <summary>What it costs the guest to run before its memory is there; null when it does not, or has not gone over.</summary>
    public PostcopyFigures? Postcopy => (_arrival as OurArrival)?.Postcopy;

    /// <summary>
    /// Goes on over a new main channel, whose first record is a command, after its link broke; it waits for at most so long until it has
    /// noticed that. Returns when the migration is through with the connection. False when it does not want it. Any thread.
    /// </summary>
    public bool TryRecover(IConnection connection, TimeSpan wait) => IsPostcopy && _pause.TryOffer(connection, null, wait);

    /// <summary>The records of the main channel to their end, over as many connections as it takes.</summary>
    void ReadRecords()
    {
        while (true)
        {
            try
            {
                while (ReadRecord())
                {
                }
                return;
            }
            catch (Exception e) when (IsOnlyLink(e))
            {
                if (!TryRecover(MigrationException.From(e, MigrationSide.Destination, "The recovery failed"))) return;
            }
        }
    }

    /// <summary>
    /// Keeps all that has come, and waits for the source. False when nothing is missing, so that there is nothing to wait for. Throws when it
    /// does not come back.
    /// </summary>
    bool TryRecover(MigrationException lost)
    {
        var ours = _arrival as OurArrival;
        if (ours is not null && _ram.Ram!.MissingPages == 0) return false;
        // The source is still told.
        if (_brokenOff is not null && ours is not null) throw Unrecovered(_brokenOff, lost);
        Status = MigrationStatus.PostcopyPaused;
        _silence.Expect(null);
        _link.Connection.Abort();
        ours?.Pause();
        DropPreempt();
        _link.Connection.Dispose();
        if (_pause.Await(_policy.RecoverTimeout) is not { } next) throw Unrecovered(_brokenOff ?? $"no recovery came within {_policy.RecoverTimeout}", lost);
        _link.Replace(next.Connection, next.Reader);
        _isRamComplete = false;
        Status = MigrationStatus.PostcopyRecover;
        _silence.Expect(_policy.IdleTimeout);
        return true;
    }

    /// <summary>The source has the bitmaps, and sends pages from here on.</summary>
    void GoOn()
    {
        _ram.ForgetBlock();
        Status = MigrationStatus.PostcopyActive;
        _link.Send(ReturnPathMessage.ResumeAck);
        (_arrival as OurArrival)?.Resume();
    }

    MigrationException Unrecovered(string why, MigrationException lost) => new(MigrationErrorId.ConnectionLost, MigrationSide.Link, _arrival is OurArrival
        ? $"The link broke in postcopy, and {why}."
        : $"The link broke in postcopy with {_ram.Ram!.MissingPages} pages missing, and no recovery came. Whether the guest is still at its source, only the source can tell.",
        lost);

    /// <summary>
    /// Whether it is not the end of the postcopy, but of one of its links. Until the ends agree on what is missing nothing of a recovery
    /// reaches the guest: one that goes wrong, however it does, is followed by another.
    /// </summary>
    bool IsOnlyLink(Exception e) => _postcopy == PostcopyStep.Running && _preemptError is null
        && (Status == MigrationStatus.PostcopyRecover || (e is MigrationException typed && IsLinkGone(typed)));

    static bool IsLinkGone(MigrationException e) =>
        e.Side == MigrationSide.Link || e.Id is MigrationErrorId.UnexpectedEnd or MigrationErrorId.ConnectionLost;
}
