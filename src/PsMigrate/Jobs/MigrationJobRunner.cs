using PsMigrate.Engine;
using PsMigrate.Engine.Model;
using PsMigrate.Running;

namespace PsMigrate.Jobs;

/// <summary>Runs the migrations of a job on a thread of its own and hands what happens to the job of each guest.</summary>
sealed class MigrationJobRunner : IMigrationSink, IDisposable
{
    readonly MigrationPump _pump;
    readonly Dictionary<MigrationRequest, GuestMigrationJob> _jobs;

    MigrationJobRunner(string command, IReadOnlyList<MigrationRequest> requests, int limit)
    {
        _pump = new MigrationPump(requests, limit, this);
        _jobs = requests.ToDictionary(request => request, request => new GuestMigrationJob(command, request, this));
    }

    /// <summary>Begins the first migrations and returns their job, which goes on by itself.</summary>
    public static MigrationJob Start(string command, IReadOnlyList<MigrationRequest> requests, int limit)
    {
        var parent = requests.Count == 1 ? null : new MigrationJobGroup(command);
        var runner = new MigrationJobRunner(command, requests, limit);
        parent?.Adopt(requests.Select(request => runner._jobs[request]));
        MigrationJob job = parent ?? (MigrationJob)runner._jobs[requests[0]];
        // Here and not on the thread, so that Get-MigrationState and Stop-Migration know them as soon as the job is there.
        runner._pump.Fill();
        new Thread(runner.Run) { IsBackground = true, Name = $"migration job {job.Id}" }.Start();
        return job;
    }

    /// <summary>Takes a migration back that has not begun. False when it has.</summary>
    public bool Withdraw(MigrationRequest request) => _pump.Withdraw(request);

    public void Started(MigrationRequest request, Migration migration) => _jobs[request].Begin(migration);

    public void NotStarted(MigrationRequest request, MigrationException error) => _jobs[request].Fail(error);

    public void Passed(MigrationRequest request, MigrationIteration iteration) => _jobs[request].Pass(iteration);

    public void Progressed(MigrationRequest request, MigrationState state) => _jobs[request].Progressed(state);

    public void GoesOn(MigrationRequest request, MigrationState state)
    {
        // It ends with the last migration, so that none is left.
    }

    public void NotKept(MigrationRequest request, MigrationException error) => _jobs[request].NotKept(error);

    public void Ended(MigrationRequest request, MigrationState state) => _jobs[request].End(state);

    public void Dispose() => _pump.Dispose();

    void Run()
    {
        using (this)
        {
            while (!_pump.IsDone) _pump.Step(Commands.EngineCmdlet.Tick);
        }
    }
}
