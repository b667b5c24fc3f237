using PsMigrate.Bench.Peers;
using PsMigrate.Engine;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Matrix;

/// <summary>
/// Two QEMUs that were started for one migration, both driven over QMP. The guest is a boot sector under TCG that adds one to each page of its
/// working set in turn (<see cref="PacedGuest"/>).
/// </summary>
sealed class QemuRun : IDisposable
{
    const int PagesPerMebibyte = 256;
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    static readonly MigrationUri Anywhere = MigrationUri.Parse("tcp:127.0.0.1:0");

    readonly PacedGuest _program;
    readonly Qemu _source;
    readonly Qemu _target;

    public QemuRun(Scenario scenario)
    {
        // One that does nothing still has to be heard: it writes a page a second.
        _program = new PacedGuest(scenario.WorkingSet * PagesPerMebibyte, Math.Max(1, scenario.Rate * PagesPerMebibyte));
        var machine = new QemuOptions((long)scenario.Memory << 20) { Program = _program };
        _source = new Qemu(machine);
        try
        {
            _target = new Qemu(machine.Awaiting(isPrefaulted: false));
            Guest = QemuGuest.Connect(_source.Driven, "bench-qemu");
            _source.Ticks!.AwaitWalk(Limit);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The one at the source.</summary>
    public QemuGuest Guest { get; } = null!;

    /// <summary>Migrates it, and looks at the memory that came. One that does not end is cut off.</summary>
    public MigrationState Migrate(MigrationParameters parameters)
    {
        var migration = Migration.Start(Guest, Anywhere, parameters with { DestinationQmp = _target.Driven.ToString(), Timeout = MatrixOptions.Limit });
        migration.Wait();
        var state = migration.GetState();
        if (state.Result!.State == MigrationStatus.Completed)
        {
            _target.Ticks!.AwaitFirst(Limit);
            _target.Stop();
            _program.Check(_target);
        }
        else if (state.Error is { Id: not MigrationErrorId.Timeout } error) throw new BenchException($"QEMU's migration failed: {error.Message}");
        return state;
    }

    public void Dispose()
    {
        Guest?.LetGo();
        _target?.Dispose();
        _source.Dispose();
    }
}
