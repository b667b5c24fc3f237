using System.IO.Compression;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Streams;

/// <summary>What came of a RAM block that was taken out of a stream.</summary>
/// <param name="Length">Bytes of the block, and of the file.</param>
/// <param name="MissingPages">
/// Pages that this stream does not have, since they went by other channels (multifd, preempt); they are zero in the file.
/// </param>
public sealed record ExtractedBlock(long Length, long MissingPages);

/// <summary>
/// Takes a RAM block out of a captured stream: a file of the block's length, with all passes applied. Pages of zeros take no room
/// where the file system has holes. The file appears when all is well, and never half; it is its owner's alone.
/// </summary>
public sealed class BlockExtractor : IRamSink
{
    readonly string _name;
    readonly FileTarget _output;
    readonly byte[] _page = new byte[RamReader.PageSize];

    // Pages that were sent, and those that are not zero in the file.
    readonly PageSet _sent = new();
    readonly PageSet _written = new();
    BlockTally? _block;

    BlockExtractor(string name, FileTarget output)
    {
        _name = name;
        _output = output;
    }

    /// <summary>Writes the block to a plain file. Throws UnknownBlock, FileFailed, and whatever is wrong with the stream.</summary>
    /// <param name="path">The stream.</param>
    /// <param name="offset">Where it begins in its file.</param>
    /// <param name="block">The name of the block, such as pc.ram.</param>
    /// <param name="outFile">Where to write.</param>
    /// <param name="overwrite">Whether it takes the place of an old file.</param>
    /// <param name="cancellation">Ends the work; no file is left.</param>
    public static ExtractedBlock Extract(
        string path, long offset, string block, string outFile, bool overwrite = true, CancellationToken cancellation = default)
    {
        using var file = new StreamFile(path, offset);
        using var output = FileTarget.Create(MigrationUri.ForFile(outFile), overwrite);
        if (!output.CanSeek) throw OneWayErrors.File(outFile, "written", new IOException("a RAM block needs a plain file."));
        var extractor = new BlockExtractor(block, output);
        new StreamWalker(file, extractor, cancellation).Walk();
        var result = extractor.Finish(file, cancellation);
        output.Complete(Timeout.InfiniteTimeSpan);
        return result;
    }

    void IRamSink.Blocks(IReadOnlyList<BlockTally> blocks)
    {
        _block = blocks.FirstOrDefault(block => block.Name == _name)
            ?? throw new MigrationException(MigrationErrorId.UnknownBlock, MigrationSide.User, $"The stream has no RAM block "
                + $"'{Printable.Text(_name)}', but {string.Join(", ", blocks.Select(block => Printable.Text(block.Name)))}.");
        _output.SetLength(_block.Length);
    }

    void IRamSink.Page(BlockTally block, long page, PageKind kind, ReadOnlySpan<byte> content)
    {
        if (block != _block) return;
        _sent.Add(block, page);
        switch (kind)
        {
            case PageKind.Zero:
                // What was never written is a hole.
                if (!_written.Remove(block, page)) return;
                Array.Clear(_page);
                break;
            case PageKind.Normal:
                content.CopyTo(_page);
                break;
            case PageKind.Xbzrle:
                Load(page);
                if (!Xbzrle.TryDecode(content, _page)) throw Invalid(page, "The difference");
                break;
            default:
                Inflate(page, content);
                break;
        }
        if (kind != PageKind.Zero) _written.Add(block, page);
        Store(page, _page);
    }

    void IRamSink.Discard(BlockTally block, long firstPage, long pages)
    {
        if (block != _block) return;
        for (var page = firstPage; page < firstPage + pages; page++) _sent.Remove(block, page);
    }

    ExtractedBlock Finish(StreamFile file, CancellationToken cancellation)
    {
        if (_block is not { } block)
            throw new MigrationException(MigrationErrorId.UnknownBlock, MigrationSide.User, "The stream has no RAM.");
        if (block.Mapped is { } mapped)
        {
            mapped.ForEachRun(file, (first, count) =>
            {
                file.Seek(mapped.PagesOffset + (first * RamReader.PageSize));
                Store(first, file.Peek(count * RamReader.PageSize));
            }, cancellation);
            return new ExtractedBlock(block.Length, 0);
        }
        var pages = (block.Length + RamReader.PageSize - 1) / RamReader.PageSize;
        return new ExtractedBlock(block.Length, pages - _sent.Count);
    }

    void Inflate(long page, ReadOnlySpan<byte> content)
    {
        try
        {
            using var inflate = new ZLibStream(new MemoryStream(content.ToArray()), CompressionMode.Decompress);
            if (inflate.ReadAtLeast(_page, _page.Length, throwOnEndOfStream: false) == _page.Length && inflate.ReadByte() < 0) return;
        }
        catch (InvalidDataException)
        {
            // Said below.
        }
        throw Invalid(page, "The zlib stream");
    }

    void Load(long page)
    {
        Array.Clear(_page);
        _ = _output.ReadAt(_page, page * RamReader.PageSize);
    }

    void Store(long page, ReadOnlySpan<byte> bytes)
    {
        var at = page * RamReader.PageSize;
        _output.WriteAt(bytes[..(int)Math.Min(bytes.Length, _block!.Length - at)], at);
    }

    MigrationException Invalid(long page, string what) => new(MigrationErrorId.InvalidValue, MigrationSide.Source,
        $"{what} of page 0x{page * RamReader.PageSize:x} of block '{Printable.Text(_name)}' is not valid.");
}
