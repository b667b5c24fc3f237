namespace PsMigrate.Engine.Tests.Qemu.Machines;

/// <summary>How a <see cref="QemuMachine"/> is started.</summary>
sealed record QemuOptions(string Binary)
{
    /// <summary>Argument of -M: none, pc, q35, or a version such as pc-i440fx-7.2, and options after a comma.</summary>
    public string Machine { get; init; } = "none";

    public int Megabytes { get; init; } = 64;

    public Guid? Uuid { get; init; }

    /// <summary>Argument of -incoming: an address to listen at, or defer. Null starts a machine of its own.</summary>
    public string? Incoming { get; init; }

    /// <summary>Whether its processors wait (-S), or, with <see cref="Incoming"/>, do not start with the end of the migration.</summary>
    public bool Paused { get; init; }

    /// <summary>What it boots; null is a machine without a disk. The two ends of a migration need the same.</summary>
    public WalkingGuest? Program { get; init; }

    /// <summary>
    /// Whether RAM is a shared file, which gives <see cref="QemuMachine.Ram"/> the block's own bytes. The other end need not have it:
    /// the block keeps its name. Not for the destination of a postcopy.
    /// </summary>
    public bool HasRamFile { get; init; }

    /// <summary>Further arguments.</summary>
    public string[] Arguments { get; init; } = [];

    /// <summary>The same machine, waiting for a migration.</summary>
    public QemuOptions Awaiting(string incoming = "defer") => this with { Incoming = incoming };

    /// <summary>The command line; its files are in <paramref name="folder"/>.</summary>
    internal IEnumerable<string> CommandLine(string folder)
    {
        IEnumerable<string> line =
        [
            "-M", HasRamFile ? $"{Machine},memory-backend={RamBlock}" : Machine, "-m", $"{Megabytes}M", "-accel", "tcg",
            "-nodefaults", "-no-user-config", "-display", "none",
        ];
        if (HasRamFile)
            line = [.. line, "-object", $"memory-backend-file,id={RamBlock},size={Megabytes}M,mem-path={folder}/ram,share=on,x-use-canonical-path-for-ramblock-id=off"];
        if (Program is not null)
            line =
            [
                .. line, "-drive", $"if=none,id=boot,format=raw,read-only=on,file={folder}/boot", "-device", "virtio-blk-pci,drive=boot",
                "-debugcon", $"file:{folder}/progress",
            ];
        if (Uuid is { } uuid) line = [.. line, "-uuid", $"{uuid}"];
        if (Paused) line = [.. line, "-S"];
        if (Incoming is not null) line = [.. line, "-incoming", Incoming];
        return [.. line, .. Arguments];
    }

    /// <summary>The name of the block that holds the RAM, as QEMU gives it by itself.</summary>
    internal string RamBlock => Machine.Split(',')[0] == "none" ? "ram" : "pc.ram";
}
