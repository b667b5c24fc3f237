using System.Diagnostics;
using System.Management.Automation;
using PsMigrate.Engine;

namespace PsMigrate.Running;

/// <summary>Progress bars for guests that are arriving, about five times a second.</summary>
sealed class ArrivalProgress
{
    const int FirstActivity = 30_000;

    // Guests are told apart by receiver and name: a receiver takes no two of the same name at once.
    readonly Dictionary<(int Receiver, string Name), int> _activities = [];
    long _updated;
    int _next = FirstActivity;

    /// <summary>The records to show now; none when they were shown a moment ago.</summary>
    public IEnumerable<ProgressRecord> Update(IEnumerable<MigrationReceiver> receivers)
    {
        if (Stopwatch.GetElapsedTime(_updated) < TimeSpan.FromMilliseconds(200)) yield break;
        _updated = Stopwatch.GetTimestamp();
        var seen = new HashSet<(int, string)>();
        foreach (var arrival in receivers.SelectMany(receiver => receiver.GetState().Incoming))
        {
            var key = (arrival.ReceiverId, arrival.Name);
            seen.Add(key);
            if (!_activities.TryGetValue(key, out var activity)) _activities.Add(key, activity = _next++);
            yield return new ProgressRecord(activity, $"{Who(key)} from {arrival.Peer}", arrival.State.ToString())
            {
                CurrentOperation = $"{Figures.Size(arrival.ReceivedBytes)} received of a guest of {Figures.Size(arrival.TotalBytes)}",
            };
        }
        foreach (var gone in _activities.Keys.Where(key => !seen.Contains(key)).ToList())
            yield return Completed(gone);
    }

    /// <summary>The records that take away what is still shown.</summary>
    public IEnumerable<ProgressRecord> Close() => _activities.Keys.ToList().Select(Completed);

    ProgressRecord Completed((int Receiver, string Name) key)
    {
        _activities.Remove(key, out var activity);
        return new ProgressRecord(activity, Who(key), "arrived") { RecordType = ProgressRecordType.Completed };
    }

    static string Who((int Receiver, string Name) key) => key.Name.Length == 0 ? "a guest" : key.Name;
}
