using System.Text;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.VmState;

/// <summary>
/// QEMU's <c>globalstate</c>, version 1: <c>u32 size, 100 bytes</c> with the run state's name. Bytes after the name are left zero,
/// which suits the layouts before and after QEMU 8.2.
/// </summary>
static class GlobalState
{
    public const string Section = "globalstate";
    public const uint Version = 1;

    /// <summary>The run state of a machine that runs.</summary>
    public const string Running = "running";

    public const int BodySize = 4 + NameSize;
    const int NameSize = 100;
    const int LongestName = 32;

    public static void Write(WireWriter writer, bool isRunning)
    {
        var name = Encoding.ASCII.GetBytes(isRunning ? Running : "paused");
        writer.UInt32((uint)name.Length + 1);
        Span<byte> bytes = stackalloc byte[NameSize];
        bytes.Clear();
        name.CopyTo(bytes);
        writer.Bytes(bytes);
    }

    /// <summary>Whether the guest is to run.</summary>
    public static bool Read(WireReader reader)
    {
        var size = reader.UInt32();
        if (size is 0 or > LongestName) throw reader.Error(MigrationErrorId.InvalidLength, $"A run state of {size} bytes can't be.");
        var bytes = reader.Bytes(NameSize);
        return Encoding.ASCII.GetString(bytes, 0, (int)size).TrimEnd('\0') == Running;
    }
}

/// <summary>QEMU's <c>timer</c>, version 2: the clocks of a machine; read and dropped when memory comes from a real QEMU.</summary>
static class QemuTimer
{
    public const string Section = "timer";
    public const uint Version = 2;
    const int BodySize = 24;

    public static void Skip(WireReader reader)
    {
        reader.Bytes(BodySize);
        if ((RecordType)reader.Peek(1)[0] == RecordType.Subsection)
            throw reader.Error(MigrationErrorId.UnsupportedFeature, "A guest under -icount is not supported.");
    }
}
