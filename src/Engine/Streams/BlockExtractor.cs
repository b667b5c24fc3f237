using System.IO.Compression;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Streams;

/// <summary>What came of a RAM block that was taken out of a stream.</summary>
/// <param name="Length">Bytes of the block, and of the file.</param>
/// <param name="MissingPages">
/// Pages that this stream does not have, since they went by other channels (multifd, preempt); they are zero in the file.
/// </param>
public sealed record ExtractedBlock(long Length, long MissingPages);

/// <summary>
/// Takes a RAM block out of a captured stream: a file of the block's length, with all passes applied. Pages of zeros take no room
/// where the file system has holes. The file appears when all is well, and never half.
/// </summary>
public sealed class BlockExtractor : IRamSink
{
    readonly string _name;
    readonly string _path;
    readonly FileStream _output;
    readonly byte[] _page = new byte[RamReader.PageSize];

    // Pages that were sent, and those that are not zero in the file.
    readonly PageSet _sent = new();
    readonly PageSet _written = new();
    BlockTally? _block;

    BlockExtractor(string name, string path, FileStream output)
    {
        _name = name;
        _path = path;
        _output = output;
    }

    /// <summary>
    /// Writes the block to a file, which is replaced if it is there. Throws UnknownBlock, FileFailed, and whatever is wrong with
    /// the stream.
    /// </summary>
    /// <param name="path">The stream.</param>
    /// <param name="offset">Where it begins in its file.</param>
    /// <param name="block">The name of the block, such as pc.ram.</param>
    /// <param name="outFile">Where to write.</param>
    /// <param name="cancellation">Ends the work; no file is left.</param>
    public static ExtractedBlock Extract(string path, long offset, string block, string outFile, CancellationToken cancellation = default)
    {
        using var file = new StreamFile(path, offset);
        var partial = $"{outFile}.{Guid.NewGuid():N}.part";
        try
        {
            ExtractedBlock result;
            using (var output = new FileStream(partial, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 0))
            {
                var extractor = new BlockExtractor(block, outFile, output);
                new StreamWalker(file, extractor, cancellation).Walk();
                result = extractor.Finish(file, cancellation);
            }
            File.Move(partial, outFile, overwrite: true);
            return result;
        }
        catch (Exception e) when (StreamFile.IsFileError(e))
        {
            throw StreamFile.Failed(outFile, e);
        }
        finally
        {
            // Gone by now if all went well.
            File.Delete(partial);
        }
    }

    void IRamSink.Blocks(IReadOnlyList<BlockTally> blocks)
    {
        _block = blocks.FirstOrDefault(block => block.Name == _name)
            ?? throw new MigrationException(MigrationErrorId.UnknownBlock, MigrationSide.User, $"The stream has no RAM block "
                + $"'{Printable.Text(_name)}', but {string.Join(", ", blocks.Select(block => Printable.Text(block.Name)))}.");
        Write(() => _output.SetLength(_block.Length));
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

    void Load(long page) => Write(() =>
    {
        Array.Clear(_page);
        _ = RandomAccess.Read(_output.SafeFileHandle, _page, page * RamReader.PageSize);
    });

    void Store(long page, ReadOnlySpan<byte> bytes)
    {
        try
        {
            var left = (int)Math.Min(bytes.Length, _output.Length - (page * RamReader.PageSize));
            RandomAccess.Write(_output.SafeFileHandle, bytes[..left], page * RamReader.PageSize);
        }
        catch (Exception e) when (StreamFile.IsFileError(e))
        {
            throw StreamFile.Failed(_path, e);
        }
    }

    void Write(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (StreamFile.IsFileError(e))
        {
            throw StreamFile.Failed(_path, e);
        }
    }

    MigrationException Invalid(long page, string what) => new(MigrationErrorId.InvalidValue, MigrationSide.Source,
        $"{what} of page 0x{page * RamReader.PageSize:x} of block '{Printable.Text(_name)}' is not valid.");
}
