using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Streams;

/// <summary>
/// Looks into a captured migration stream, without a guest to load it into: what QEMU writes for <c>migrate exec:cat&gt;x</c> and
/// <c>migrate file:x</c>, with mapped RAM too, and streams of this project. The file is read once, piece by piece.
/// </summary>
public static class StreamInspector
{
    /// <summary>
    /// What the stream holds. Of a damaged or truncated one what comes before the damage, with the reason in
    /// <see cref="MigrationStream.Error"/>. Throws FileFailed when the file can't be opened.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="offset">Where the stream begins in it, as in <c>migrate file:x,offset=N</c>.</param>
    /// <param name="cancellation">Ends the reading.</param>
    public static MigrationStream Read(string path, long offset = 0, CancellationToken cancellation = default)
    {
        if (offset < 0) throw MigrationException.Invalid("A stream can't begin before its file.");
        using var file = new StreamFile(path, offset);
        var walker = new StreamWalker(file, null, cancellation);
        return walker.Result(Try(walker.Walk));
    }

    /// <summary>
    /// The messages of a captured return path (what the destination sent). Gives those before a damage, and then throws. Throws
    /// FileFailed, UnknownRecord, InvalidLength, InvalidValue, UnexpectedEnd.
    /// </summary>
    public static IEnumerable<StreamMessage> ReadReturnPath(string path, CancellationToken cancellation = default)
    {
        using var file = new StreamFile(path);
        while (!file.IsAtEnd)
        {
            cancellation.ThrowIfCancellationRequested();
            yield return CommandReader.ReadMessage(file);
        }
    }

    static MigrationException? Try(Action walk)
    {
        try
        {
            walk();
            return null;
        }
        catch (MigrationException e)
        {
            return e;
        }
    }
}
