using System.Buffers.Binary;
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
        var name = isRunning ? "running"u8 : "paused"u8;
        writer.UInt32((uint)name.Length + 1);
        Span<byte> bytes = stackalloc byte[NameSize];
        bytes.Clear();
        name.CopyTo(bytes);
        writer.Bytes(bytes);
    }

    /// <summary>Whether the guest is to run.</summary>
    public static bool Read(WireReader reader)
    {
        var body = reader.Bytes(BodySize);
        return (Decode(body) ?? throw reader.Error(MigrationErrorId.InvalidLength, "A run state of that length can't be.")) == Running;
    }

    /// <summary>QEMU's name of the run state in the body of a section; null when it has a length that can't be.</summary>
    public static string? Decode(ReadOnlySpan<byte> body)
    {
        if (body.Length != BodySize) return null;
        var size = BinaryPrimitives.ReadUInt32BigEndian(body);
        if (size is 0 or > LongestName) return null;
        return Encoding.ASCII.GetString(body.Slice(4, (int)size)).TrimEnd('\0');
    }
}
