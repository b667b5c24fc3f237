namespace PsMigrate.Bench.Peers;

/// <summary>How a QEMU is started: by default a paused machine without vCPUs whose RAM was never written.</summary>
sealed record QemuOptions(long Bytes)
{
    /// <summary>What its RAM holds: a file, all of it mapped before it answers. A paused source only reads it.</summary>
    public RamImage? Image { get; init; }

    /// <summary>Whether each page of its RAM was touched before it answers (-mem-prealloc).</summary>
    public bool IsPrefaulted { get; init; }

    /// <summary>What its vCPU runs, under TCG on -M pc; null is -M none, which has no vCPU.</summary>
    public PacedGuest? Program { get; init; }

    /// <summary>Directory with certificates, for TLS; null for none.</summary>
    public string? TlsFolder { get; init; }

    /// <summary>Whether it waits for a migration.</summary>
    public bool IsIncoming { get; init; }

    /// <summary>The same machine, waiting for a migration.</summary>
    public QemuOptions Awaiting(bool isPrefaulted) => this with { Image = null, IsPrefaulted = isPrefaulted, IsIncoming = true };

    /// <summary>The command line; its sockets and its disk are in <paramref name="folder"/>.</summary>
    public string[] CommandLine(string folder)
    {
        IEnumerable<string> line = ["-m", $"{Bytes >> 20}M", "-nodefaults", "-no-user-config", "-display", "none", "-qmp", $"unix:{folder}/qmp,server=on,wait=off",
            "-qmp", $"unix:{folder}/driven,server=on,wait=off"];
        line = [.. line, .. Program is null ? Bare() : Booting(folder)];
        if (IsPrefaulted) line = [.. line, "-mem-prealloc"];
        if (TlsFolder is not null) line = [.. line, "-object", $"tls-creds-x509,id=tls0,dir={TlsFolder},endpoint={(IsIncoming ? "server" : "client")},verify-peer=yes"];
        return IsIncoming ? [.. line, "-incoming", "defer"] : [.. line];
    }

    string[] Bare() => Image is null
        ? ["-M", "none", "-S"]
        :
        [
            "-object", $"memory-backend-file,id=ram,size={Bytes},mem-path={Image.Path},share=on,prealloc=on,x-use-canonical-path-for-ramblock-id=off",
            "-M", "none,memory-backend=ram", "-S",
        ];

    static string[] Booting(string folder) =>
    [
        "-M", "pc", "-accel", "tcg", "-drive", $"if=none,id=boot,format=raw,read-only=on,file={folder}/boot", "-device", "virtio-blk-pci,drive=boot",
        "-chardev", $"socket,id=ticks,path={folder}/ticks,server=on,wait=off", "-device", "isa-debugcon,iobase=0xe9,chardev=ticks",
    ];
}
