using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Source;

/// <summary>The preempt channel: pages that the guest waits for go past those that nobody waits for (postcopy-preempt of QEMU).</summary>
sealed partial class OutgoingMigration
{
    PreemptStyle? _preemptStyle;
    IConnection? _preempt;
    WireWriter? _preemptWriter;

    /// <summary>Throws PeerVersionUnknown, EndsDisagree, and what the QMP client throws. Nothing is connected yet.</summary>
    void PlanPreempt()
    {
        if (!_parameters.PostcopyPreempt) return;
        if (_parameters.Peer == PeerKind.PsMigrate) _preemptStyle = _own is null ? PreemptStyle.Late : PreemptStyle.Joined;
        else _preemptStyle = PreemptPlan.ForQemu(_parameters.PeerVersion ?? _monitor!.QueryRelease(), _guest.MachineType);
    }

    void ConnectEarlyPreempt()
    {
        if (_preemptStyle == PreemptStyle.Early) ConnectPreempt(_connect);
    }

    void ConnectLatePreempt()
    {
        if (_preemptStyle != PreemptStyle.Early) ConnectPreempt(_connect);
    }

    void ConnectPreempt(Func<CancellationToken, IConnection> connect)
    {
        if (_preemptStyle is not { } style) return;
        var connection = connect(_stop.Token);
        lock (_lock) _preempt = connection;
        ThrowIfStopped();
        if (style == PreemptStyle.Joined) Joining.Preempt(connection, _uuid, _instance == Guid.Empty ? null : _instance, Parameters.AnswerTimeout);
        lock (_lock) _preemptWriter = new WireWriter(connection.Output);
        _ram.Preempt = _preemptWriter;
    }

    /// <summary>
    /// Before END. A QEMU since 8.0 closes the channel when it has read the end of the main one; what it was sent through both is there before.
    /// </summary>
    void EndPreempt()
    {
        if (_preemptWriter is null) return;
        _ram.EndPreempt(withEos: _preemptStyle == PreemptStyle.Early);
        if (_preemptStyle == PreemptStyle.Late) AwaitPages();
    }

    /// <summary>Returns when the destination has dealt with all that the main channel brought.</summary>
    void AwaitPages()
    {
        CommandRecord.WritePing(_writer!, PagesPing);
        _writer!.Flush();
        AwaitPong(PagesPing);
    }

    void AbortPreempt()
    {
        IConnection? preempt;
        lock (_lock) preempt = _preempt;
        preempt?.Abort();
    }

    /// <summary>In peace, unless it was cut before.</summary>
    void DropPreempt()
    {
        IConnection? preempt;
        lock (_lock)
        {
            _sentBytes += _preemptWriter?.Position ?? 0;
            (preempt, _preempt, _preemptWriter) = (_preempt, null, null);
        }
        _ram.Preempt = null;
        preempt?.Dispose();
    }
}
