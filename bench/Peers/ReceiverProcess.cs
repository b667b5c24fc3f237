using System.Text.Json;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Peers;

/// <summary>A second process of this program that receives.</summary>
sealed class ReceiverProcess : IDisposable
{
    readonly Child _child;
    readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("bench-ours-");

    /// <param name="memory"><see cref="ReceiverRole.Cold"/> or <see cref="ReceiverRole.Warm"/>.</param>
    /// <param name="isUnix">Whether it listens on a unix socket instead of tcp loopback.</param>
    /// <param name="tls">Directory with certificates; null for a plain one.</param>
    public ReceiverProcess(string memory, bool isUnix = false, string? tls = null)
    {
        string[] certificates = tls is null ? [] : [tls];
        _child = ThisProgram.Start([ReceiverRole.Name, memory, isUnix ? $"unix:{_folder}/in" : "tcp:127.0.0.1:0", .. certificates]);
        Uri = MigrationUri.Parse(_child.ReadLine());
    }

    /// <summary>Where it listens.</summary>
    public MigrationUri Uri { get; }

    /// <summary>Migrates a suspended guest there, and checks that both ends hold the same.</summary>
    public MigrationRun Take(SourceGuest source, MigrationParameters? asked = null)
    {
        var run = source.Send(Uri, asked ?? new MigrationParameters());
        return run with { TargetCpu = ReadArrival(source.Digest).Cpu };
    }

    /// <summary>To a receiver that is started for this one migration: its code and its memory are cold, as a new QEMU's are.</summary>
    public static MigrationRun TakeCold(SourceGuest source, MigrationParameters? asked = null)
    {
        using var receiver = new ReceiverProcess(ReceiverRole.Cold);
        if (!source.IsZero) FreeMemory.Settle();
        return receiver.Take(source, asked);
    }

    /// <summary>What it says of the guest that came. Throws when that holds something else; null is looked at elsewhere.</summary>
    public Arrival ReadArrival(string? digest)
    {
        var arrival = JsonSerializer.Deserialize<Arrival>(_child.ReadLine())!;
        if (arrival.Error is { } error) throw new BenchException($"our receiver failed: {error}");
        if (digest is not null && arrival.Digest != digest) throw new BenchException($"the memories differ: {digest} here, {arrival.Digest} there.");
        return arrival;
    }

    public void Dispose()
    {
        _child.Dispose();
        _folder.Delete(recursive: true);
    }
}
