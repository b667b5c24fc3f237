using System.Buffers.Binary;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Streams;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Streams;

/// <summary>Mapped RAM, made by hand: what its header may say, and what is made of it.</summary>
public sealed class MappedStreamTests : IDisposable
{
    const int Pages = 100;
    const int PagesOffset = 0x100000;

    readonly string _folder = Directory.CreateTempSubdirectory("psmigrate-mapped-").FullName;

    string StreamPath => Path.Combine(_folder, "stream");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Pages_are_where_the_bitmap_says()
    {
        var (bytes, _) = Build(bitmap: [0x8000_0000_0000_0003, 0xF_0000_0000]);
        foreach (var page in new[] { 0, 1, 63, 96, 99 }) bytes.AsSpan(PagesOffset + (page * 4096), 4096).Fill((byte)(page + 1));
        File.WriteAllBytes(StreamPath, bytes);
        var stream = StreamInspector.Read(StreamPath);
        Assert.Null(stream.Error);
        Assert.Equal(MigrationStreamKind.MappedRam, stream.Kind);
        Assert.Equal((7, Pages - 7), (stream.NormalPages, stream.ZeroPages));
        Assert.Equal(PagesOffset, Assert.Single(stream.Blocks).PagesOffset);

        var raw = StreamPath + ".raw";
        Assert.Equal(new ExtractedBlock(Pages * 4096, 0), BlockExtractor.Extract(StreamPath, 0, "ram", raw));
        Assert.True(File.ReadAllBytes(raw).AsSpan().SequenceEqual(bytes.AsSpan(PagesOffset, Pages * 4096)));
    }

    public static TheoryData<string, int, ulong, MigrationErrorId> Headers => new()
    {
        { "version", 0, 2UL << 32 | 0, MigrationErrorId.UnsupportedFeature },
        { "page size", 4, 8192, MigrationErrorId.InvalidValue },
        { "bitmap before the header", 12, 0, MigrationErrorId.InvalidValue },
        { "bitmap at the end of all", 12, ulong.MaxValue, MigrationErrorId.InvalidValue },
        { "bitmap behind the pages", 12, PagesOffset + 4096, MigrationErrorId.InvalidValue },
        { "pages over the bitmap", 20, 0, MigrationErrorId.InvalidValue },
        { "pages not aligned", 20, PagesOffset + 1, MigrationErrorId.InvalidValue },
        { "pages outside the file", 20, 1UL << 40, MigrationErrorId.UnexpectedEnd },
        { "pages outside every file", 20, ulong.MaxValue & ~0xFFFUL, MigrationErrorId.InvalidValue },
    };

    [Theory]
    [MemberData(nameof(Headers))]
    public void A_header_that_can_not_be_is_refused(string what, int offset, ulong value, MigrationErrorId expected)
    {
        var (bytes, header) = Build(bitmap: [1, 0]);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(header + offset), value);
        File.WriteAllBytes(StreamPath, bytes);
        var error = StreamInspector.Read(StreamPath).Error;
        Assert.True(expected == error?.Id, $"{what}: {error?.Message ?? "no error"}");
        var thrown = Assert.Throws<MigrationException>(() => BlockExtractor.Extract(StreamPath, 0, "ram", StreamPath + ".raw"));
        Assert.Equal(expected, thrown.Id);
        Assert.Equal([StreamPath], Directory.GetFiles(_folder));
    }

    [Fact]
    public void A_file_that_ends_in_its_pages_is_told()
    {
        var (bytes, _) = Build(bitmap: [ulong.MaxValue, 0]);
        File.WriteAllBytes(StreamPath, bytes[..(PagesOffset + (63 * 4096))]);
        Assert.Equal(MigrationErrorId.UnexpectedEnd, StreamInspector.Read(StreamPath).Error!.Id);
    }

    [Fact]
    public void A_block_that_is_taken_out_is_its_owner_s_alone_and_replaces_no_device()
    {
        var (bytes, _) = Build(bitmap: [1, 0]);
        File.WriteAllBytes(StreamPath, bytes);
        var raw = StreamPath + ".raw";
        BlockExtractor.Extract(StreamPath, 0, "ram", raw, overwrite: false);
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(raw));
        Failing.With(MigrationErrorId.FileFailed, () => BlockExtractor.Extract(StreamPath, 0, "ram", raw, overwrite: false));
        if (!OperatingSystem.IsLinux()) return;
        // A FIFO stands for a device: the system's own must not be at stake.
        var device = Path.Combine(_folder, "null");
        using (var make = System.Diagnostics.Process.Start("mkfifo", [device])) make.WaitForExit();
        Failing.With(MigrationErrorId.FileFailed, () => BlockExtractor.Extract(StreamPath, 0, "ram", device));
        Assert.Equal(FileKind.Fifo, FileCalls.Default.KindOf(device));
    }

    /// <summary>Machine none with one block; gives where the block's header is.</summary>
    static (byte[] Bytes, int Header) Build(ulong[] bitmap)
    {
        var pipe = new BytesWriter();
        var wire = new WireWriter(pipe);
        StreamHeader.Write(wire, "none");
        wire.Byte((byte)RecordType.Subsection);
        wire.Name("configuration/capabilities");
        wire.UInt32(1);
        wire.UInt32(1);
        wire.Name("mapped-ram");
        var section = new SectionHeader(3, StreamConstants.RamSection, 0, StreamConstants.RamVersion);
        section.WriteNamed(wire, RecordType.SectionStart);
        wire.UInt64((Pages * 4096) | RamFlags.MemSize);
        wire.Name("ram");
        wire.UInt64(Pages * 4096);
        var header = (int)wire.Position;
        wire.UInt32(1);
        wire.UInt64(4096);
        wire.UInt64((ulong)header + 28);
        wire.UInt64(PagesOffset);
        foreach (var word in bitmap) wire.UInt64(BinaryPrimitives.ReverseEndianness(word));
        wire.Bytes(new byte[PagesOffset + (Pages * 4096) - wire.Position]);
        wire.UInt64(RamFlags.Eos);
        section.WriteFooter(wire);
        section.WriteBare(wire, RecordType.SectionEnd);
        wire.UInt64(RamFlags.Eos);
        section.WriteFooter(wire);
        wire.Byte((byte)RecordType.Eof);
        wire.Flush();
        return (pipe.Written, header);
    }
}
