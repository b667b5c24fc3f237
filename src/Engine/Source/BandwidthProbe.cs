using System.Diagnostics;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Source;

/// <summary>
/// Finds out what the link to a receiver of ours carries, with bytes that mean nothing (<see cref="Handshake"/>): some to fill the link, and then
/// for a while as many as it takes, until the other end says that it has them all. Nothing of a guest is sent, and nothing at all but the header of a
/// stream before it is known who answers.
/// </summary>
/// <param name="connection">The link; it stays the caller's.</param>
/// <param name="name">What it is called in messages.</param>
sealed class BandwidthProbe(IConnection connection, string name)
{
    // Windows of senders open, and processors wake.
    static readonly TimeSpan WarmUp = TimeSpan.FromMilliseconds(200);

    // For an answer, beside the time that the bytes take.
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    readonly WireWriter _writer = new(connection.Output);
    readonly WireReader _reader = new(connection.Input, MigrationSide.Destination);
    readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(Handshake.MostProbeBytes);
    bool _isKnown;

    /// <summary>
    /// Bytes/s. Throws NoReceiver where something else answers, ProbeRefused where the receiver is of an older release or has no time for a probe,
    /// PeerSilent, ConnectionLost.
    /// </summary>
    /// <param name="duration">How long to send.</param>
    public double Run(TimeSpan duration)
    {
        var isLate = false;
        using var late = EngineThread.After(WarmUp + duration + Patience, () =>
        {
            Volatile.Write(ref isLate, true);
            connection.Abort();
        });
        try
        {
            Greet();
            // Pages are no zeros either, should something between the ends compress.
            Random.Shared.NextBytes(_bytes);
            Send(WarmUp);
            return Send(duration);
        }
        catch (MigrationException error) when (Volatile.Read(ref isLate))
        {
            throw new MigrationException(MigrationErrorId.PeerSilent, MigrationSide.Link, $"What listens at {name} did not answer a probe in time.", error);
        }
        catch (MigrationException error) when (!_isKnown && error.Id is not (MigrationErrorId.NoReceiver or MigrationErrorId.ProbeRefused))
        {
            throw new MigrationException(MigrationErrorId.NoReceiver, MigrationSide.Destination, $"What answers at {name} is no PsMigrate receiver: {error.Message}", error);
        }
    }

    void Greet()
    {
        Joining.Greet(_writer);
        var pong = Read(ReturnPathType.Pong).Value;
        if (!Handshake.IsOurAnswer(pong))
            throw new MigrationException(MigrationErrorId.NoReceiver, MigrationSide.Destination, $"What answers at {name} is a QEMU, which takes no probes, and may have ended because of this one.");
        _isKnown = true;
        if (Handshake.AgreedVersion(pong) < Handshake.ProbeVersion)
            throw Refused($"The receiver at {name} is of an older release, which takes no probes.");
        Joining.Send(_writer, Guid.Empty, JoinPurpose.Probe);
        if (Joining.ReadOutcome(Read(ReturnPathType.Outcome)).Outcome != HandoverOutcome.Running)
            throw Refused($"The receiver at {name} takes no probe now: another one is under way, or there were several lately.");
    }

    static MigrationException Refused(string message) => new(MigrationErrorId.ProbeRefused, MigrationSide.Destination, message);

    /// <summary>Bytes/s, with the time until the last of them was taken.</summary>
    double Send(TimeSpan duration)
    {
        var clock = Stopwatch.StartNew();
        long sent = 0;
        for (; clock.Elapsed < duration; sent += _bytes.Length)
        {
            _writer.UInt32((uint)_bytes.Length);
            _writer.WriteThrough(_bytes);
        }
        _writer.UInt32(0);
        _writer.Flush();
        Read(ReturnPathType.Pong);
        return sent / clock.Elapsed.TotalSeconds;
    }

    ReturnPathMessage Read(ReturnPathType type)
    {
        var message = ReturnPathMessage.Read(_reader);
        if (message.Type == ReturnPathType.Failure)
        {
            // It knows why, for example that it takes TLS only.
            _isKnown = true;
            var (id, text) = message.ReadFailure();
            throw new MigrationException(id, MigrationSide.Destination, text);
        }
        return message.Type == type ? message : throw _reader.Error(MigrationErrorId.OutOfOrder, $"{type} was expected, not {message.Type}.");
    }
}
