using System.Text.Json;
using PsMigrate.Engine.Tests.Qemu;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Tests.Streams;

/// <summary>
/// The stream of a stopped QEMU, in a file of a folder of its own, and what that QEMU said of the migration and of its vCPU.
/// </summary>
sealed class Capture : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("psmigrate-stream-").FullName;

    /// <summary>Migrates to the file: by exec, or with <paramref name="uri"/>, where {0} is the file.</summary>
    public Capture(string binary, string machine, string[]? arguments = null, string uri = "exec:cat>{0}", string[]? capabilities = null,
        int megabytes = 32)
    {
        Path = System.IO.Path.Combine(_folder, "stream");
        using var qemu = new QemuMachine(binary, megabytes, ["-M", machine, .. arguments ?? []]);
        var on = (capabilities ?? []).Select(name => new { capability = name, state = true });
        qemu.Execute("migrate-set-capabilities", new { capabilities = on });
        // The firmware has begun: it has left its first instruction and has written RAM, which comes some time later.
        if (machine != "none") Poll.Until(() => Registers(qemu).Eip is not (0 or 0xfff0) && LowMemoryIsWritten(qemu), "the firmware runs");
        qemu.Execute("stop");
        Eip = machine == "none" ? 0 : Registers(qemu).Eip;
        // A command goes on for a while after QEMU has completed: the file is whole when the command has ended.
        var command = uri.StartsWith("exec:", StringComparison.Ordinal);
        var ended = Path + ".ended";
        if (command) uri += $";touch {ended}";
        qemu.Execute("migrate", new { uri = string.Format(System.Globalization.CultureInfo.InvariantCulture, uri, Path) });
        Poll.Until(() => qemu.MigrationStatus is "completed" or "failed", "QEMU has migrated");
        Assert.Equal("completed", qemu.MigrationStatus);
        if (command) Poll.Until(() => File.Exists(ended), "the command has written all");
        Ram = qemu.Execute("query-migrate").GetProperty("ram").Clone();
        Memory = machine == "none" ? [] : qemu.Memory(0, megabytes << 20);
    }

    public string Path { get; }

    /// <summary>The figures of query-migrate.</summary>
    public JsonElement Ram { get; }

    /// <summary>The instruction pointer of the first vCPU.</summary>
    public ulong Eip { get; }

    /// <summary>Guest-physical memory from 0; empty for machine none.</summary>
    public byte[] Memory { get; }

    public byte[] Bytes => File.ReadAllBytes(Path);

    /// <summary>From the type byte of the first FULL section on, which has the name that comes first in the description.</summary>
    public static (byte[] Tail, DescribedMachine Machine, int Sections) Cut(byte[] stream)
    {
        var at = stream.Length;
        DescribedMachine? machine = null;
        while (machine is null)
        {
            at = stream.AsSpan(0, at).LastIndexOf([(byte)0, (byte)6]);
            Assert.True(at > 0, "The stream has no description.");
            var length = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(stream.AsSpan(at + 2));
            if (at + 6 + length == stream.Length) machine = DescribedMachine.Parse(stream.AsSpan(at + 6));
        }
        var name = System.Text.Encoding.ASCII.GetBytes(machine.Devices[0].Name);
        var first = stream.AsSpan().LastIndexOf((byte[])[(byte)name.Length, .. name, 0, 0, 0, 0]) - 5;
        Assert.Equal(4, stream[first]);
        return (stream[first..], machine, at - first);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    static bool LowMemoryIsWritten(QemuMachine qemu) => qemu.Memory(0, 0xA0000).AsSpan().ContainsAnyExcept((byte)0);

    static (ulong Eip, string Text) Registers(QemuMachine qemu)
    {
        var command = new Dictionary<string, object> { ["command-line"] = "info registers" };
        var text = qemu.Execute("human-monitor-command", command).GetString()!;
        var at = text.IndexOf("IP=", StringComparison.Ordinal) + 3;
        return (Convert.ToUInt64(text[at..].Split(' ')[0], 16), text);
    }
}
