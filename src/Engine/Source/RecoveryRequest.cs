using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Source;

/// <summary>Somebody wants a paused postcopy to go on, and waits until it does.</summary>
/// <param name="address">Where to.</param>
/// <param name="isElsewhere">Whether that is another address than before.</param>
/// <param name="connect">Makes the connections.</param>
sealed class RecoveryRequest(string address, bool isElsewhere, Func<CancellationToken, IConnection> connect)
{
    readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Address => address;

    public bool IsElsewhere => isElsewhere;

    public Func<CancellationToken, IConnection> Connect => connect;

    public void Succeed() => _done.TrySetResult();

    public void Fail(MigrationException error) => _done.TrySetException(error);

    /// <summary>Throws why it failed.</summary>
    public void Wait() => _done.Task.GetAwaiter().GetResult();
}
