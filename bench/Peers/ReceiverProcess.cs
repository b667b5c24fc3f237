using System.Text.Json;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Peers;

/// <summary>A second process of this program that receives.</summary>
sealed class ReceiverProcess : IDisposable
{
    readonly Child _child;
    readonly MigrationUri _uri;

    /// <param name="memory"><see cref="ReceiverRole.Cold"/> or <see cref="ReceiverRole.Warm"/>.</param>
    public ReceiverProcess(string memory)
    {
        var program = Environment.ProcessPath!;
        // Under `dotnet PsMigrate.Bench.dll` the process is dotnet itself.
        string[] library = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [typeof(ReceiverProcess).Assembly.Location] : [];
        _child = Child.Start(program, [.. library, ReceiverRole.Name, memory]);
        _uri = MigrationUri.Parse(_child.ReadLine());
    }

    /// <summary>Migrates a suspended guest there, checks that both ends hold the same, and leaves it as it was.</summary>
    public MigrationResult Take(MemoryGuest guest, string digest)
    {
        var migration = Migration.Start(guest, _uri, new MigrationParameters { KeepSource = true });
        migration.Wait();
        var result = migration.Result!;
        if (result.Error is { } error) throw new BenchException($"our migration failed: {error.Message}");
        var arrival = JsonSerializer.Deserialize<Arrival>(_child.ReadLine())!;
        if (arrival.Digest != digest) throw new BenchException($"the memories differ: {digest} here, {arrival.Digest} there. {arrival.Error}");
        // The copy that was kept is the next run's source.
        guest.Resume(force: true);
        guest.Suspend();
        return result;
    }

    /// <summary>To a receiver that is started for this one migration: its code and its memory are cold, as a new QEMU's are.</summary>
    public static MigrationResult TakeCold(MemoryGuest guest, string digest)
    {
        using var receiver = new ReceiverProcess(ReceiverRole.Cold);
        FreeMemory.Settle();
        return receiver.Take(guest, digest);
    }

    public void Dispose() => _child.Dispose();
}
