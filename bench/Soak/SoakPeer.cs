using System.Collections.Concurrent;
using System.Text.Json;
using PsMigrate.Bench.Peers;

namespace PsMigrate.Bench.Soak;

/// <summary>A side as the run sees it: requests by many threads at a time, each answered in its own time. Thread-safe.</summary>
sealed class SoakPeer : IDisposable
{
    // A migration under faults may wait for several time limits.
    static readonly TimeSpan Longest = TimeSpan.FromMinutes(2);

    readonly Child _child;
    readonly ConcurrentDictionary<int, TaskCompletionSource<SoakAnswer>> _open = new();
    readonly Lock _lock = new();
    int _number;

    public SoakPeer(string name)
    {
        Name = name;
        _child = ThisProgram.Start(SoakSide.Name);
        Port = new Uri(_child.ReadLine().Replace("tcp:", "tcp://", StringComparison.Ordinal)).Port;
        new Thread(Listen) { IsBackground = true, Name = $"soak side {name}" }.Start();
    }

    /// <summary>For what is printed.</summary>
    public string Name { get; }

    /// <summary>Where its receiver listens on loopback.</summary>
    public int Port { get; }

    /// <summary>Asks, and waits for the answer. Throws when the side has ended, or does not answer.</summary>
    public SoakAnswer Ask(Func<int, SoakRequest> request)
    {
        var number = Interlocked.Increment(ref _number);
        var answer = _open[number] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock) _child.WriteLine(JsonSerializer.Serialize(request(number)));
        if (!answer.Task.Wait(Longest)) throw new BenchException($"side {Name} did not answer within {Longest.TotalMinutes} minutes: {request(number)}. {Report(request(number))} {_child.Errors}");
        return answer.Task.Result;
    }

    string Report(SoakRequest unanswered) =>
        unanswered.Verb == SoakVerb.Report ? "" : Ask(number => new(number, SoakVerb.Report)).Message;

    public void Dispose() => _child.Dispose();

    void Listen()
    {
        try
        {
            while (true)
            {
                var answer = JsonSerializer.Deserialize<SoakAnswer>(_child.ReadLine(TimeSpan.FromHours(24)))!;
                if (_open.TryRemove(answer.Number, out var waiting)) waiting.SetResult(answer);
            }
        }
        catch (Exception e) when (e is BenchException or ObjectDisposedException)
        {
            foreach (var waiting in _open.Values) waiting.TrySetException(new BenchException($"side {Name}: {e.Message}"));
        }
    }
}
