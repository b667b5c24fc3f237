using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Qemu;

/// <summary>A QMP connection that is made anew.</summary>
static class QmpReconnection
{
    const int Tries = 20;

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// As <see cref="QmpClient.Connect"/>; a QEMU that is just ending may take a connection and drop it, which is tried again, until nobody
    /// listens any more.
    /// </summary>
    public static QmpClient Connect(MigrationUri uri, TimeSpan timeout, CancellationToken cancel = default)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return QmpClient.Connect(uri, timeout, cancel);
            }
            catch (MigrationException error) when (error.Id == MigrationErrorId.QmpConnectionLost && tries < Tries)
            {
                cancel.WaitHandle.WaitOne(Pause);
            }
        }
    }
}
