using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Completion;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;
using PsMigrate.Jobs;
using PsMigrate.Running;

namespace PsMigrate.Commands;

/// <summary>
/// Migrates running guests. In the foreground one record per pass goes down the pipeline while the migration runs; an early end of
/// the pipeline, of whatever kind, cancels it and brings the guest back to the source.
/// </summary>
[Cmdlet(VerbsLifecycle.Start, "VmMigration", SupportsShouldProcess = true, DefaultParameterSetName = ByGuest)]
[OutputType(typeof(MigrationIteration), typeof(MigrationJob))]
public sealed partial class StartVmMigrationCommand : EngineCmdlet, IDisposable
{
    readonly List<MigrationRequest> _requests = [];
    MigrationPump? _pump;
    TlsOptions? _tls;

    /// <inheritdoc/>
    protected override void BeginProcessing()
    {
        // What is wrong for every guest is said once, before any of them is touched.
        try
        {
            _tls = ReadTls();
            (IsForQemuAlone ? Parameters() with { QemuTls = QemuTls() } : Parameters()).Validate();
            if (IsBound(nameof(Destination))) MigrationUri.Parse(Destination);
            if (DestinationQmp is { } qmp) MigrationUri.Parse(qmp);
        }
        catch (MigrationException error)
        {
            ThrowFailure(error, null);
        }
    }

    /// <summary>All guests are known, and all questions answered, before the first migration begins.</summary>
    protected override void ProcessRecord()
    {
        var guests = ParameterSetName == ByGuest ? Guest : NotMovedOn(GuestLookup.Find(Name, HostName, WriteFailure));
        foreach (var guest in guests) Try(guest.Name, () => Add(guest));
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        if (_requests.Count == 0) return;
        if (AsJob)
        {
            var job = MigrationJobRunner.Start(CommandText(), _requests, ThrottleLimit);
            JobRepository.Add(job);
            WriteObject(job);
            return;
        }
        var sink = new PipelineSink(this, _requests.Count, OnIteration is null ? null : new IterationScript(OnIteration));
        _pump = new MigrationPump(_requests, ThrottleLimit, sink);
        try
        {
            while (!Stopping && !_pump.IsDone) _pump.Step(Tick);
        }
        finally
        {
            // Here after an exception from downstream; where even this is passed over, PowerShell still calls Dispose.
            _pump.Dispose();
            sink.Close();
        }
    }

    /// <summary>Cancels what still runs, and waits for it.</summary>
    public void Dispose() => _pump?.Dispose();

    void Add(Guest guest)
    {
        var destination = FileLookup.Address(SessionState.Path, Destination);
        if (destination.Kind == MigrationUriKind.File && _requests.Exists(request => request.Destination == destination))
            throw new MigrationException(MigrationErrorId.InvalidParameter, MigrationSide.User,
                $"Two guests can't go into one file, {destination}.");
        if (_requests.Exists(request => request.Guest == guest))
            throw new MigrationException(MigrationErrorId.GuestBusy, MigrationSide.User,
                $"Guest {guest.Name} is to be migrated twice at once.");
        var parameters = WithTls(guest, Parameters());
        var trace = TraceFile(guest);
        var intention = Intention(guest, destination, parameters) + Outlook(guest, destination, parameters);
        if (ShouldProcess(intention, intention + " Go on?", "Migrate a guest")) _requests.Add(new MigrationRequest(guest, destination, parameters) { TracePath = trace });
    }

    /// <summary>What Get-Job shows as the command: this one, not the line or script that it stands in.</summary>
    string CommandText() =>
        $"{MyInvocation.MyCommand.Name} {string.Join(", ", _requests.Select(request => request.Guest.Name))} {_requests[0].Destination}";

    /// <summary>-KeepSource leaves a copy of the same name behind; the name means the guest that lives.</summary>
    static IEnumerable<Guest> NotMovedOn(IReadOnlyList<Guest> guests) => guests.Where(guest =>
        guest.State != GuestState.PostMigrate || !guests.Any(other => other.State != GuestState.PostMigrate
            && other.Name.Equals(guest.Name, StringComparison.OrdinalIgnoreCase)));

    /// <summary>The whole undertaking in one sentence with its numbers.</summary>
    static string Intention(Guest guest, MigrationUri destination, MigrationParameters parameters)
    {
        var writing = guest.State != GuestState.Running ? guest.State.ToString().ToLowerInvariant()
            : guest.MeasuredDirtyRate > 0 ? $"running, writing {Figures.Rate(guest.MeasuredDirtyRate)}" : "running";
        var limits = new List<string> { $"it may stand still for {Figures.Time(parameters.MaxDowntime)}" };
        limits.Add(parameters.MaxBandwidth == 0 ? "bandwidth is not limited" : $"at most {Figures.Rate(parameters.MaxBandwidth)} are sent");
        if (parameters.Timeout is { } timeout) limits.Add(TimeoutWay(parameters.OnTimeout, timeout));
        if (parameters.PauseBeforeSwitchover) limits.Add("it waits for Complete-Migration before it switches over");
        limits.AddRange(Ways(guest, parameters));
        if (Protection(parameters) is { } protection) limits.Add(protection);
        if (parameters.Verify) limits.Add("it stands still longer, until the digests of both ends agree");
        if (parameters.KeepSource) limits.Add("a suspended copy stays here");
        return $"Migrate guest {guest.Name} ({Figures.Size(guest.MemorySize)}, {Figures.Count(guest.ProcessorCount, "vCPU")}, {writing}) "
            + $"from host {guest.Host} to {destination}: {string.Join("; ", limits)}.";
    }
}
