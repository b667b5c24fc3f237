using System.Text.Json;

namespace PsMigrate.Engine.Qmp;

/// <summary>
/// Commands of one kind, in the order in which they came: so many may be in flight, the others wait for their turn. The caller holds
/// the lock of the client.
/// </summary>
sealed class QmpLane
{
    readonly LinkedList<QmpCommand> _waiting = [];
    int _inFlight;

    /// <summary>How many may be in flight.</summary>
    public int Slots { get; set; } = 1;

    /// <summary>How many wait for their turn.</summary>
    public int Waiting => _waiting.Count;

    public void Join(QmpCommand command) => _waiting.AddLast(command);

    public bool IsTurnOf(QmpCommand command) => _inFlight < Slots && _waiting.First?.Value == command;

    /// <summary>The command whose turn it is takes a slot, until <see cref="Free"/>.</summary>
    public void Start()
    {
        _waiting.RemoveFirst();
        _inFlight++;
    }

    /// <summary>A command that waits gives up.</summary>
    public void Leave(QmpCommand command) => _waiting.Remove(command);

    /// <summary>A command was answered.</summary>
    public void Free() => _inFlight--;
}

/// <summary>A command on its way to QEMU and back.</summary>
sealed class QmpCommand(string name, QmpLane lane)
{
    public string Name { get; } = name;

    public QmpLane Lane { get; } = lane;

    /// <summary>The whole message, once it is there.</summary>
    public JsonElement? Answer { get; set; }
}
