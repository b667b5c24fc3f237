namespace PsMigrate.Engine.Guests;

/// <summary>One device section of a QEMU's stream, kept as it came.</summary>
/// <param name="Id">The sender's number for it.</param>
/// <param name="Name">The idstr, for example 0000:00:01.1/ide.</param>
/// <param name="Instance">The instance, 0 for most; of a vCPU its index.</param>
/// <param name="Version">Of the section.</param>
/// <param name="Body">Between header and footer.</param>
record CapturedSection(uint Id, string Name, uint Instance, uint Version, byte[] Body);

/// <summary>One subsection of the CONFIGURATION record, kept as it came.</summary>
/// <param name="Name">For example configuration/uuid.</param>
/// <param name="Version">Of the subsection.</param>
/// <param name="Body">Its fields.</param>
sealed record CapturedConfiguration(string Name, uint Version, byte[] Body);

/// <summary>What a guest that came from a QEMU has beside RAM. Immutable; the sections are in the order of the stream.</summary>
sealed record CapturedMachine
{
    /// <summary>The machine type as the stream names it, for example pc-i440fx-7.2.</summary>
    public required string Name { get; init; }

    /// <summary>The subsections of CONFIGURATION.</summary>
    public CapturedConfiguration[] Configuration { get; init; } = [];

    /// <summary>Every FULL section.</summary>
    public CapturedSection[] Sections { get; init; } = [];

    /// <summary>The description, UTF-8 JSON; null when the stream had none (postcopy, suppress-vmdesc).</summary>
    public byte[]? Description { get; init; }

    /// <summary>Whether each section had a footer; machines up to 2.3 send none.</summary>
    public bool HasFooters { get; init; } = true;

    /// <summary>QEMU's run state as globalstate has it, for example running or paused.</summary>
    public string RunState { get; init; } = "running";

    /// <summary>How many vCPUs it has.</summary>
    public int ProcessorCount => Sections.Count(section => section.Name == "cpu");
}
