using System.Diagnostics;
using System.Management.Automation;

namespace PsMigrate.Shell.Host;

/// <summary>
/// Progress as one line at the bottom of a terminal, written over itself. Of several activities the one that spoke last is shown.
/// </summary>
sealed class ProgressLine(TextWriter terminal, Func<int> width)
{
    const int BarWidth = 20;

    // Faster than the eye reads is only flicker, and time taken from a migration.
    static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    readonly Dictionary<(long Source, int Activity), ProgressRecord> _active = [];
    long _drawnAt;
    int _drawnLength;

    /// <summary>Takes in a record and shows it.</summary>
    public void Update(long sourceId, ProgressRecord record)
    {
        if (record.RecordType == ProgressRecordType.Completed)
        {
            _active.Remove((sourceId, record.ActivityId));
            Hide();
            if (_active.Count > 0)
                Draw(_active.Values.Last());
            return;
        }

        _active[(sourceId, record.ActivityId)] = record;
        if (_drawnLength == 0 || Stopwatch.GetElapsedTime(_drawnAt) >= Interval)
            Draw(record);
    }

    /// <summary>Takes the line off the terminal; the next record puts it back.</summary>
    public void Hide()
    {
        if (_drawnLength == 0)
            return;
        terminal.Write($"\r{new string(' ', _drawnLength)}\r");
        _drawnLength = 0;
    }

    /// <summary>Takes the line off the terminal and forgets all activities (a stopped pipeline completes none of them).</summary>
    public void Clear()
    {
        _active.Clear();
        Hide();
    }

    void Draw(ProgressRecord record)
    {
        // The last column stays free: a terminal would wrap there.
        var text = Describe(record);
        var room = Math.Max(1, width() - 1);
        if (text.Length > room)
            text = text[..room];
        terminal.Write('\r' + text.PadRight(Math.Min(_drawnLength, room)));
        _drawnLength = text.Length;
        _drawnAt = Stopwatch.GetTimestamp();
    }

    static string Describe(ProgressRecord record)
    {
        var bar = "";
        if (record.PercentComplete >= 0)
        {
            var done = Math.Min(record.PercentComplete, 100) * BarWidth / 100;
            bar = $" [{new string('#', done)}{new string('.', BarWidth - done)}] {record.PercentComplete,3}%";
        }
        var left = record.SecondsRemaining > 0 ? $", {TimeSpan.FromSeconds(record.SecondsRemaining):c} left" : "";
        var operation = string.IsNullOrEmpty(record.CurrentOperation) ? "" : $", {record.CurrentOperation}";
        return $"{record.Activity}{bar} {record.StatusDescription}{operation}{left}".ReplaceLineEndings(" ");
    }
}
