using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Completion;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>Makes an in-memory guest: real RAM, real vCPU threads that write to it.</summary>
[Cmdlet(VerbsCommon.New, "MigrationGuest", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Low)]
[OutputType(typeof(Guest))]
public sealed class NewMigrationGuestCommand : EngineCmdlet
{
    /// <summary>The names of the new guests.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Name of the guest, unique on its host; several names make several guests that are alike.")]
    [Alias("VMName")]
    [ValidateNotNull]
    [AllowEmptyString]
    public string[] Name { get; set; } = [];

    /// <summary>RAM.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true,
        HelpMessage = "RAM in bytes, a multiple of 4096, for example 1GB.")]
    [Alias("MemoryStartupBytes")]
    [Size]
    public long MemorySize { get; set; }

    /// <summary>vCPUs.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, HelpMessage = "Number of vCPUs, 1 to 64. Each writes its own share of the RAM.")]
    public int ProcessorCount { get; set; } = 1;

    /// <summary>What the vCPUs do.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true,
        HelpMessage = "What the vCPUs do: Idle, Sequential, Random, HotSpot or WalkingIncrement. Idle by default; Random where -DirtyRate, "
            + "-WorkingSet or -WriteSize says that something is to be written.")]
    public GuestWorkload? Workload { get; set; }

    /// <summary>How much is dirtied.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true,
        HelpMessage = "Bytes of pages dirtied per second, all vCPUs together, for example 100MB; 0 is as fast as they can. 50MB by "
            + "default.")]
    [Size(IsRate = true)]
    public long? DirtyRate { get; set; }

    /// <summary>How much of the RAM is written.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true,
        HelpMessage = "Bytes of RAM, from its start, that the program writes; all of it by default.")]
    [Size]
    public long? WorkingSet { get; set; }

    /// <summary>How much one write changes.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true,
        HelpMessage = "Bytes changed by one write, 8 to 4096, a multiple of 8. 8 by default.")]
    [Size]
    public long? WriteSize { get; set; }

    /// <summary>What the memory holds.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true,
        HelpMessage = "What the RAM holds at first, and what is written: Zero (the default), Random, Text or Mixed.")]
    public GuestContent Content { get; set; }

    /// <summary>How much of the RAM is filled.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true,
        HelpMessage = "Bytes of RAM, from its start, filled with -Content; all of it by default.")]
    [Size]
    public long ContentSize { get; set; }

    /// <summary>What makes it repeatable.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true,
        HelpMessage = "Two guests with the same seed and parameters do the same. 1 by default.")]
    public ulong Seed { get; set; } = 1;

    /// <summary>The in-process host.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, HelpMessage = "The in-process host it lives on. 'local' by default.")]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    [ValidateNotNullOrEmpty]
    public string HostName { get; set; } = GuestRegistry.DefaultHost;

    /// <summary>Do not start it.</summary>
    [Parameter(HelpMessage = "Leave it suspended; Resume-MigrationGuest starts it.")]
    public SwitchParameter Suspended { get; set; }

    /// <summary>Give it out.</summary>
    [Parameter(HelpMessage = "Give the new guest out.")]
    public SwitchParameter PassThru { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var name in Name) Try(name, () => Create(name));
    }

    void Create(string name)
    {
        var options = Options(name).Validate();
        var speed = options.Workload == GuestWorkload.Idle ? ""
            : options.DirtyRate == 0 ? " at full speed" : $" at {Figures.Rate(options.DirtyRate)}";
        var action = $"Create a guest with {Figures.Size(options.MemorySize)} of RAM, "
            + $"{Figures.Count(options.ProcessorCount, "vCPU")}, workload {options.Workload}{speed}";
        if (!ShouldProcess($"{name} on host {options.Host}", action)) return;
        var guest = GuestRegistry.Create(options);
        if (PassThru) WriteObject(guest);
    }

    GuestOptions Options(string name)
    {
        var writes = DirtyRate is not null || WorkingSet is not null || WriteSize is not null;
        if (Workload == GuestWorkload.Idle && DirtyRate is > 0)
            throw new MigrationException(MigrationErrorId.InvalidParameter, MigrationSide.User,
                $"An idle guest writes nothing: a DirtyRate of {Figures.Rate(DirtyRate.Value)} needs another -Workload.");
        var options = new GuestOptions
        {
            Name = name, MemorySize = MemorySize, ProcessorCount = ProcessorCount, Host = HostName,
            Workload = Workload ?? (writes ? GuestWorkload.Random : GuestWorkload.Idle),
            WorkingSet = WorkingSet ?? 0, Content = Content, ContentSize = ContentSize, Seed = Seed, StartSuspended = Suspended,
        };
        if (DirtyRate is { } rate) options = options with { DirtyRate = rate };
        // Out of int's range is out of the engine's range: clamped, it is refused there, with the engine's words.
        if (WriteSize is { } size) options = options with { WriteSize = (int)Math.Clamp(size, int.MinValue, int.MaxValue) };
        return options;
    }
}
