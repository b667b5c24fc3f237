using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Source;

/// <summary>Channels: connected behind the main stream and before its first byte, for a QEMU says nothing until it has all of them.</summary>
sealed partial class OutgoingMigration
{
    // What broke a channel may be known to the destination, which tells its reason on the way back.
    static readonly TimeSpan ReasonTime = TimeSpan.FromSeconds(1);

    ChannelPlan? _plan;
    MultifdSaver? _channels;
    bool _announcesChannels;

    int AnnouncedChannels => _announcesChannels && _plan is { } plan ? plan.Count : 0;

    /// <summary>
    /// Throws PeerVersionUnknown when nothing tells what is at the destination: it can't be asked, since a QEMU answers only when it has
    /// all channels, and ends when one that it waits for is closed again.
    /// </summary>
    void CheckPeerIsKnown()
    {
        if (_parameters is { PostcopyPreempt: true, Peer: not PeerKind.PsMigrate, PeerVersion: null, DestinationQmp: null })
            throw new MigrationException(MigrationErrorId.PeerVersionUnknown, MigrationSide.User,
                $"When a preempt channel is connected depends on what is at {_destination}, and that can't be asked before: "
                + "-PeerVersion says PsMigrate or the release of a QEMU, or -DestinationQmp where the QEMU can be asked.");
        if (_parameters is { Channels: > 0, Peer: not PeerKind.PsMigrate, PeerVersion: null, DestinationQmp: null })
            throw new MigrationException(MigrationErrorId.PeerVersionUnknown, MigrationSide.User,
                $"How channels work depends on what is at {_destination}, and that can't be asked before they are connected: "
                + "-PeerVersion says PsMigrate or the release of a QEMU, or -DestinationQmp where the QEMU can be asked.");
    }

    /// <summary>Null without channels. Throws PeerVersionUnknown, EndsDisagree, UnsupportedFeature, and what the QMP client throws.</summary>
    ChannelPlan? PlanChannels()
    {
        var asked = Parameters;
        if (asked.Channels == 0) return null;
        // While nothing is connected that would be closed again.
        CheckCompression();
        if (asked.Peer == PeerKind.PsMigrate) return ChannelPlan.ForOurs(asked, _guest);
        if (_monitor is null) return ChannelPlan.ForQemu(asked, _guest, asked.PeerVersion!, uuid: null);
        var (release, uuid) = _monitor.QueryChannels(asked.Channels, asked.Compression);
        return ChannelPlan.ForQemu(asked, _guest, release, uuid);
    }

    void ConnectChannels(ChannelPlan plan)
    {
        var connections = new List<IConnection>(plan.Count);
        MultifdSaver channels;
        try
        {
            // The id is told by an announcement, which nobody gets of the machine of a QEMU.
            Guid? id = plan.Peer == PeerKind.PsMigrate && _own is not null ? _uuid : null;
            for (var number = 0; number < plan.Count; number++) connections.Add(ConnectChannel(new MultifdInit(plan.Uuid, (byte)number, id)));
            channels = new MultifdSaver(_guest.Memory, connections, plan.Dialect, Encoders(plan), ChannelFailed, _guest.Name);
        }
        catch
        {
            foreach (var connection in connections) End(connection);
            throw;
        }
        lock (_lock) (_plan, _channels) = (plan, channels);
        _ram.Outlets = channels;
        ThrowIfStopped();
    }

    /// <summary>QEMU 7.2 reads the init packet before it accepts the next connection.</summary>
    IConnection ConnectChannel(MultifdInit init)
    {
        var connection = _connect(_stop.Token);
        try
        {
            var writer = new WireWriter(connection.Output);
            init.Write(writer);
            writer.Flush();
            ThrowIfStopped();
            return connection;
        }
        catch
        {
            End(connection);
            throw;
        }
    }

    static void End(IConnection connection)
    {
        connection.Abort();
        connection.Dispose();
    }

    /// <summary>Nothing of the guest has been sent. Throws EndsDisagree.</summary>
    void CheckPeer()
    {
        // A preempt channel of a guest that was captured goes to both alike.
        var planned = _plan?.Peer ?? _preemptStyle switch
        {
            PreemptStyle.Joined => PeerKind.PsMigrate,
            not null when _own is not null => PeerKind.Qemu,
            _ => _peer,
        };
        if (planned == _peer) return;
        throw new MigrationException(MigrationErrorId.EndsDisagree, MigrationSide.Destination, planned == PeerKind.PsMigrate
            ? $"The destination is a QEMU, and was said to be PsMigrate: -PeerVersion has to say which release of QEMU."
            : $"The destination is PsMigrate, and was said to be a QEMU: -PeerVersion PsMigrate.");
    }

    /// <summary>On the channel's thread; the sending thread may be waiting for something else than channels.</summary>
    void ChannelFailed(MigrationException error)
    {
        _returnPath?.WaitEnded(ReasonTime);
        Fail(_returnPath?.Failure ?? error);
    }

    /// <summary>One end that takes nothing is as good as gone, whatever the others take: it holds them all up at the next mark.</summary>
    void WatchChannels()
    {
        if (_channels is not { } channels || !channels.HasStalled(Parameters.AnswerTimeout)) return;
        Fail(new MigrationException(MigrationErrorId.PeerSilent, MigrationSide.Link,
            $"The destination has taken nothing of a channel for {Parameters.AnswerTimeout.TotalSeconds:0.#} s."));
        channels.Abort();
    }

    /// <summary>In peace when the destination has said its last word and the migration is through; else at once.</summary>
    void CloseChannels(bool hasEnded)
    {
        if (!hasEnded || _status != MigrationStatus.Completed) _channels?.Abort();
        _channels?.Dispose();
    }
}
