using System.Text.Json;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Qmp;

/// <summary>The thread that reads: it ends with the connection, and the connection with it.</summary>
sealed partial class QmpClient
{
    void Read()
    {
        MigrationException why;
        try
        {
            var lines = new QmpLineReader(Uri, _connection.Input);
            while (lines.Next() is { } line) Take(QmpMessage.Parse(Uri, line.Span));
            why = QmpErrors.Lost(Uri);
        }
        catch (MigrationException error)
        {
            why = error.Id == MigrationErrorId.ConnectionLost ? QmpErrors.Lost(Uri, error) : error;
        }
#pragma warning disable CA1031
        // Nothing here is expected to throw another; if it does, that ends this connection and not the process.
        catch (Exception error)
#pragma warning restore CA1031
        {
            why = new MigrationException(MigrationErrorId.InternalError, MigrationSide.Link,
                $"The reader of QMP at {Uri} failed: {error.Message}", error);
        }
        Close(why);
        _subscribers.TellEnd(_closedBecause!);
    }

    void Take(JsonElement message)
    {
        if (_greeting is null)
        {
            _ = QmpMessage.ReadGreeting(Uri, message);
            lock (_gate)
            {
                _greeting = message;
                Monitor.PulseAll(_gate);
            }
        }
        else if (message.TryGetProperty("event", out _))
        {
            _subscribers.Tell(QmpEvent.Parse(message));
        }
        else if (message.TryGetProperty("return", out _) || message.TryGetProperty("error", out _))
        {
            TakeAnswer(message);
        }
        else
        {
            throw QmpErrors.NoQmp(Uri, $"it sent neither an event nor an answer: {QmpErrors.Quote(message)}.");
        }
    }

    void TakeAnswer(JsonElement message)
    {
        // Whose answer will never come, then, can't be said.
        if (!message.TryGetProperty("id", out var id))
            throw QmpErrors.NoQmp(Uri, $"it sent an answer without an id: {QmpErrors.Quote(message)}.");
        lock (_gate)
        {
            // An id that was never given is nobody's; nothing of it is kept.
            if (id.AsNumber() is not { } number || !_inFlight.Remove(number, out var command)) return;
            command.Lane.Free();
            command.Answer = message;
            Monitor.PulseAll(_gate);
        }
    }
}
