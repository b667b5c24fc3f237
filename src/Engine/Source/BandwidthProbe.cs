using System.Diagnostics;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Source;

/// <summary>
/// Finds out what the link to a receiver of ours carries, with bytes that mean nothing (<see cref="Handshake"/>): some to fill the link, and then
/// for a while as many as it takes, with no more on their way than the other end is seen to take. Nothing of a guest is sent, and nothing at all but the
/// header of a stream before it is known who answers.
/// </summary>
/// <param name="connection">The link; it stays the caller's.</param>
/// <param name="name">What it is called in messages.</param>
sealed class BandwidthProbe(IConnection connection, string name)
{
    // Windows of senders open, and processors wake.
    static readonly TimeSpan WarmUp = TimeSpan.FromMilliseconds(200);

    // For an answer, beside the time that the bytes take.
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    // Small enough for a link that hardly carries anything.
    const int FirstBatch = 4 << 10;

    readonly WireWriter _writer = new(connection.Output);
    readonly WireReader _reader = new(connection.Input, MigrationSide.Destination);
    readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(Handshake.MostProbeBytes);
    readonly Queue<long> _open = [];
    readonly ProbeRate _rate = new(FirstBatch, WarmUp);
    bool _isKnown, _isAccepted;

    /// <summary>
    /// Bytes/s; of a probe that the receiver cuts, by what it had acknowledged. Throws NoReceiver where something else answers, ProbeRefused where the
    /// receiver is of an older release or has no time for a probe, or acknowledged nothing before it cut this one, PeerSilent, ConnectionLost.
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
            Send(WarmUp + duration);
            return _rate.Value;
        }
        catch (MigrationException error) when (_isAccepted && !Volatile.Read(ref isLate) && IsCut(error))
        {
            TakeRest();
            return _rate.IsKnown ? _rate.Value : throw Refused($"The receiver at {name} cut the probe before anything had come there: the link carries too little for it.", error);
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
        var clock = Stopwatch.StartNew();
        Joining.Greet(_writer);
        var pong = Read(ReturnPathType.Pong).Value;
        if (!Handshake.IsOurAnswer(pong))
            throw new MigrationException(MigrationErrorId.NoReceiver, MigrationSide.Destination, $"What answers at {name} is a QEMU, which takes no probes, and may have ended because of this one.");
        _isKnown = true;
        if (Handshake.AgreedVersion(pong) < Handshake.ProbeVersion)
        {
            AskSomething();
            throw Refused($"The receiver at {name} is of an older release, which takes no probes.");
        }
        Joining.Send(_writer, Guid.Empty, JoinPurpose.Probe);
        if (Joining.ReadOutcome(Read(ReturnPathType.Outcome)).Outcome != HandoverOutcome.Running)
            throw Refused($"The receiver at {name} takes no probe now: another one is under way, or there were several lately.");
        _isAccepted = true;
        _rate.Begin(clock.Elapsed);
    }

    void AskSomething()
    {
        try
        {
            Joining.AskSomething(_writer);
            Read(ReturnPathType.Outcome);
        }
        catch (MigrationException)
        {
            // It takes no probes, whatever else it does.
        }
    }

    static bool IsCut(MigrationException error) => error.Id is MigrationErrorId.ConnectionLost or MigrationErrorId.UnexpectedEnd;

    static MigrationException Refused(string message, Exception? inner = null) => new(MigrationErrorId.ProbeRefused, MigrationSide.Destination, message, inner);

    /// <summary>While a batch is on its way the one before is acknowledged, so that the link has always something to carry.</summary>
    void Send(TimeSpan duration)
    {
        while (_rate.Elapsed < duration)
        {
            SendBatch(_rate.Batch);
            if (_open.Count > 1) Take();
        }
        while (_open.Count > 0) Take();
    }

    void Take()
    {
        Read(ReturnPathType.Pong);
        _rate.Acknowledged(_open.Dequeue());
    }

    /// <summary>Of a link that was cut: what had come before.</summary>
    void TakeRest()
    {
        try
        {
            while (_open.Count > 0) Take();
        }
        catch (MigrationException)
        {
            // Nothing more did.
        }
    }

    void SendBatch(long length)
    {
        _open.Enqueue(length);
        for (long sent = 0, part; sent < length; sent += part)
        {
            part = Math.Min(length - sent, _bytes.Length);
            _writer.UInt32((uint)part);
            _writer.WriteThrough(_bytes.AsSpan(0, (int)part));
        }
        _writer.UInt32(0);
        _writer.Flush();
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
