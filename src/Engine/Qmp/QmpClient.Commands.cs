using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Qmp;

/// <summary>A command's way: its turn, the socket, its answer.</summary>
sealed partial class QmpClient
{
    // A command that had to wait long for its turn must not cost a connection that is sound.
    static readonly TimeSpan LeastSendTime = TimeSpan.FromSeconds(1);

    JsonElement Run(string verb, string command, JsonObject? arguments, TimeSpan timeout, QmpLane lane)
    {
        ArgumentException.ThrowIfNullOrEmpty(command);
        if (Thread.CurrentThread == _reader) throw new InvalidOperationException($"'{command}' can't be executed by a subscriber.");
        var end = new Deadline(timeout);
        var id = Interlocked.Increment(ref _lastId);
        var line = QmpMessage.Write(verb, command, arguments, id);
        var running = new QmpCommand(command, lane);
        TakeTurn(running, id, timeout, end);
        Send(running, line, end);
        var answer = AwaitAnswer(running, timeout, end);
        return answer.TryGetProperty("error", out var error)
            ? throw QmpErrors.Refused(command, error.Text("class"), error.Text("desc"))
            : answer.GetProperty("return");
    }

    void TakeTurn(QmpCommand command, long id, TimeSpan timeout, Deadline end)
    {
        lock (_gate)
        {
            command.Lane.Join(command);
            while (_closedBecause is not null || _sending is not null || !command.Lane.IsTurnOf(command))
            {
                if (_closedBecause is null && !end.IsOver)
                {
                    Monitor.Wait(_gate, end.Left);
                    continue;
                }
                command.Lane.Leave(command);
                Monitor.PulseAll(_gate);
                throw _closedBecause is { } why ? QmpErrors.NoAnswer(command.Name, why) : QmpErrors.NotSent(Uri, command.Name, timeout);
            }
            command.Lane.Start();
            _inFlight.Add(id, command);
            _sending = command;
        }
    }

    // The thread that sends may block where the other end does not read; then another has to cut the connection.
    void Send(QmpCommand command, byte[] line, Deadline end)
    {
        var left = end.Left;
        var allowed = left >= TimeSpan.Zero && left < LeastSendTime ? LeastSendTime : left;
        using var watchdog = EngineThread.After(allowed, () => GiveUp(command));
        try
        {
            _connection.Output.Write(line);
            var flushed = _connection.Output.FlushAsync();
            if (!flushed.IsCompleted) throw new InvalidOperationException("A flush of a link blocks until it is complete.");
        }
        catch (Exception error) when (error is MigrationException or ObjectDisposedException)
        {
            Close(QmpErrors.Lost(Uri, error));
        }
        lock (_gate)
        {
            _sending = null;
            Monitor.PulseAll(_gate);
        }
    }

    void GiveUp(QmpCommand command)
    {
        lock (_gate)
        {
            if (_sending == command) Close(QmpErrors.NotTaken(Uri, command.Name));
        }
    }

    JsonElement AwaitAnswer(QmpCommand command, TimeSpan timeout, Deadline end)
    {
        lock (_gate)
        {
            while (command.Answer is null)
            {
                if (_closedBecause is { } why) throw QmpErrors.NoAnswer(command.Name, why);
                // It stays in flight until it is answered: until then QEMU has a place of its queue taken, too.
                if (end.IsOver) throw QmpErrors.TooSlow(Uri, command.Name, timeout);
                Monitor.Wait(_gate, end.Left);
            }
            return command.Answer.Value;
        }
    }
}
