using System.Globalization;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Qemu;

/// <summary>How a guest comes, and how it is let go.</summary>
public sealed partial class QemuGuest
{
    /// <summary>
    /// Connects to a QEMU and registers its guest; nothing in QEMU changes. A guest of that name whose connection was lost gives its
    /// place. Throws InvalidGuestName, DuplicateGuestName, InvalidParameter, UnsupportedUri, the errors of a link (ConnectionRefused,
    /// ConnectTimeout, ...), QmpTimeout (QEMU hangs, or serves another client), QmpProtocolError, QmpConnectionLost,
    /// OperationCanceledException.
    /// </summary>
    /// <param name="qmp">QEMU's QMP socket, unix: or tcp:.</param>
    /// <param name="name">Null is QEMU's own (-name), or <c>qemu-N</c> where it has none.</param>
    /// <param name="host">Where guests of other names are; null is local.</param>
    /// <param name="timeout">For all of it; null is ten seconds.</param>
    /// <param name="cancel">Gives up.</param>
    public static QemuGuest Connect(
        MigrationUri qmp, string? name = null, string? host = null, TimeSpan? timeout = null, CancellationToken cancel = default)
    {
        host ??= GuestRegistry.DefaultHost;
        GuestOptions.CheckName(host, "host");
        if (name is not null) CheckFree(host, name);
        var limit = timeout ?? QmpClient.DefaultTimeout;
        if (limit <= TimeSpan.Zero) throw MigrationException.Invalid($"A time to connect is more than nothing, and is {limit}.");
        var end = new Deadline(limit);
        var client = Open(qmp, limit, cancel);
        try
        {
            var (identity, accelerator) = Identify(client, end, limit, cancel);
            name ??= OwnName(client, host, identity);
            return Register(name, host, named => new QemuGuest(client, identity, accelerator, named, host));
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Closes the connection and forgets the guest; in QEMU it goes on as it is, and so does a migration that somebody else began. Throws
    /// GuestBusy while one of ours runs: nobody would tell the destination to run the guest.
    /// </summary>
    public void Disconnect()
    {
        lock (_gate)
        {
            if (_owner is DrivenMigration { IsAdopted: false } && IsConnected)
                throw new MigrationException(MigrationErrorId.GuestBusy, MigrationSide.User,
                    $"Guest {Name} is being migrated from here, and its destination waits for this session. "
                    + "Wait-Migration or Stop-Migration first.");
            if (IsConnected) CheckReserved(holder: null);
        }
        LetGo();
    }

    /// <summary>The same, whatever it leaves behind.</summary>
    internal void LetGo()
    {
        GuestRegistry.TakeOut(this);
        Qmp.Dispose();
    }

    /// <summary>The connection that a guest of this process has to that QMP socket; null where none has.</summary>
    internal static QmpClient? ConnectionTo(MigrationUri qmp) => At(qmp)?.Qmp;

    static QemuGuest? At(MigrationUri qmp) => GuestRegistry.All.OfType<QemuGuest>().FirstOrDefault(guest => guest.IsConnected && guest.Uri == qmp);

    static void CheckFree(string host, string name)
    {
        GuestOptions.CheckName(name);
        if (GuestRegistry.Find(host, name) is { } present && !IsLost(present)) GuestRegistry.CheckFree(host, name);
    }

    static QmpClient Open(MigrationUri qmp, TimeSpan limit, CancellationToken cancel)
    {
        try
        {
            return QmpClient.Connect(qmp, limit, cancel);
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.QmpTimeout && At(qmp) is { } present)
        {
            throw new MigrationException(error.Id, error.Side, $"{error.Message} Guest {present.Name} on host {present.Host} of this process has it.", error);
        }
    }

    // Null where QEMU has none.
    static string? OwnName(QmpClient client, string host, QemuIdentity identity)
    {
        if (identity.Name is not { Length: > 0 } own) return null;
        try
        {
            CheckFree(host, own);
            return own;
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.InvalidGuestName)
        {
            throw new MigrationException(error.Id, error.Side,
                $"The guest of QEMU at {client.Uri} has a name that can't be one here: give it another with -Name. {error.Message}", error);
        }
    }

    static bool IsLost(Guest guest) => guest is QemuGuest { IsConnected: false };

    // What a user waits for and may want to stop: one client per attempt, and whoever gives up closes it.
    static (QemuIdentity Identity, string Accelerator) Identify(QmpClient client, Deadline end, TimeSpan limit, CancellationToken cancel)
    {
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var left = end.Left;
        if (left >= TimeSpan.Zero) giveUp.CancelAfter(left);
        try
        {
            using (giveUp.Token.Register(client.Dispose))
            {
                var identity = QemuIdentity.Query(client);
                return (identity, AcceleratorOf(client, identity));
            }
        }
        catch (MigrationException error) when (giveUp.IsCancellationRequested)
        {
            cancel.ThrowIfCancellationRequested();
            throw new MigrationException(MigrationErrorId.QmpTimeout, MigrationSide.Link,
                $"QEMU at {client.Uri} greets, but did not say within {limit.TotalSeconds.ToString("0.##", CultureInfo.InvariantCulture)} s "
                + "which guest it has.", error);
        }
    }

    static string AcceleratorOf(QmpClient client, QemuIdentity identity)
    {
        if (identity.IsKvm) return Kvm;
        // query-accelerators came with 10.2; before, there is no other command that only one accelerator answers.
        if (Try(client, "query-accelerators") is { } all && all.Text("enabled") is { } enabled) return enabled;
        return Try(client, "x-query-jit") is null ? "" : "tcg";
    }

    static System.Text.Json.JsonElement? Try(QmpClient client, string command)
    {
        try
        {
            return client.Execute(command);
        }
        catch (MigrationException error) when (error.Id is MigrationErrorId.QemuRefused or MigrationErrorId.UnsupportedByQemu)
        {
            return null;
        }
    }

    static QemuGuest Register(string? name, string host, Func<string, QemuGuest> make)
    {
        for (var number = 1; ; number++)
        {
            var guest = make(name ?? string.Create(CultureInfo.InvariantCulture, $"qemu-{number}"));
            try
            {
                GuestRegistry.Add(guest, present => name is not null && guest.TakesOver(present));
            }
            catch (MigrationException error) when (name is null && error.Id == MigrationErrorId.DuplicateGuestName)
            {
                continue;
            }
            guest.Qmp.Subscribe(guest.Take);
            return guest;
        }
    }
}
