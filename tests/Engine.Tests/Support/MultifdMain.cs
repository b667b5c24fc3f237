using System.IO.Pipelines;
using System.Text;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>Writes the main stream of a machine none whose pages come through channels: with a FLUSH for each round, or with EOS as the mark.</summary>
sealed class MultifdMain(PipeWriter pipe, long pages, bool flushes)
{
    static readonly SectionHeader Ram = new(2, StreamConstants.RamSection, 0, StreamConstants.RamVersion);

    public WireWriter Wire { get; } = new(pipe);

    public MultifdMain Header(Guid? uuid = null)
    {
        Wire.UInt32(StreamConstants.Magic);
        Wire.UInt32(StreamConstants.Version);
        Wire.Byte((byte)RecordType.Configuration);
        Wire.UInt32((uint)StreamConstants.MachineNone.Length);
        Wire.Bytes(Encoding.UTF8.GetBytes(StreamConstants.MachineNone));
        if (uuid is { } one)
        {
            Wire.Byte((byte)RecordType.Subsection);
            Wire.Name("configuration/uuid");
            Wire.UInt32(1);
            Wire.Bytes(one.ToByteArray(bigEndian: true));
        }
        Wire.Flush();
        return this;
    }

    /// <summary>The list of blocks, and the first mark.</summary>
    public MultifdMain Setup()
    {
        Ram.WriteNamed(Wire, RecordType.SectionStart);
        Wire.UInt64((ulong)(pages * GuestMemory.PageSize) | RamFlags.MemSize);
        Wire.Name(StreamConstants.RamSection);
        Wire.UInt64((ulong)(pages * GuestMemory.PageSize));
        return Body();
    }

    /// <summary>A pass, ended by a mark.</summary>
    public MultifdMain Pass() => Bare(RecordType.SectionPart);

    /// <summary>The end of RAM with its mark, and of the stream.</summary>
    public MultifdMain End()
    {
        Bare(RecordType.SectionEnd);
        Wire.Byte((byte)RecordType.Eof);
        var description = "{\"page_size\": 4096, \"devices\": []}"u8;
        Wire.Byte((byte)RecordType.VmDescription);
        Wire.UInt32((uint)description.Length);
        Wire.Bytes(description);
        Wire.Flush();
        return this;
    }

    MultifdMain Bare(RecordType type)
    {
        Ram.WriteBare(Wire, type);
        return Body();
    }

    MultifdMain Body()
    {
        if (flushes) Wire.UInt64(RamFlags.MultifdFlush);
        Wire.UInt64(RamFlags.Eos);
        Ram.WriteFooter(Wire);
        Wire.Flush();
        return this;
    }
}
