using System.Diagnostics.CodeAnalysis;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Streams;

/// <summary>What a captured stream holds. Offsets and lengths are bytes; offsets count from the start of the file.</summary>
[SuppressMessage("Naming", "CA1711", Justification = "A migration stream is QEMU's word for it.")]
public sealed class MigrationStream
{
    internal MigrationStream()
    {
    }

    /// <summary>The file.</summary>
    public string Path { get; internal init; } = "";

    /// <summary>Where the stream begins in it.</summary>
    public long Offset { get; internal init; }

    /// <summary>Bytes of the stream, without what trails.</summary>
    public long Length { get; internal init; }

    /// <summary>How RAM travels.</summary>
    public MigrationStreamKind Kind { get; internal init; }

    /// <summary>Version of the stream format; 0 when not even that could be read.</summary>
    public uint Version { get; internal init; }

    /// <summary>What the source says of itself; null for machines up to 2.3, which say nothing.</summary>
    public StreamConfiguration? Configuration { get; internal init; }

    /// <summary>The machine type, such as pc-q35-10.0; null when the stream names none.</summary>
    public string? Machine => Configuration?.Machine;

    /// <summary>The sections, in order; of very many the first 262144.</summary>
    public StreamSection[] Sections { get; internal init; } = [];

    /// <summary>How many sections there are.</summary>
    public long SectionCount { get; internal init; }

    /// <summary>The RAM blocks, in the order of the stream.</summary>
    public StreamBlock[] Blocks { get; internal init; } = [];

    /// <summary>The passes over RAM as far as they can be told.</summary>
    public StreamPass[] Passes { get; internal init; } = [];

    /// <summary>The devices, with their values where the stream describes them.</summary>
    public StreamDevice[] Devices { get; internal init; } = [];

    /// <summary>The commands to the destination, in order; of very many the first 65536.</summary>
    public StreamCommand[] Commands { get; internal init; } = [];

    /// <summary>The JSON that describes the devices; null without one.</summary>
    public string? Description { get; internal init; }

    /// <summary>Whether the record that ends a stream is there.</summary>
    public bool HasEof { get; internal init; }

    /// <summary>Bytes of the file behind the stream; of a damaged one, those that could not be read.</summary>
    public long TrailingBytes { get; internal init; }

    /// <summary>Bytes of all RAM blocks.</summary>
    public long RamSize => Blocks.Sum(block => block.Length);

    /// <summary>Pages sent as they are (normal of query-migrate).</summary>
    public long NormalPages => Blocks.Sum(block => block.NormalPages);

    /// <summary>Pages sent as zero (duplicate of query-migrate).</summary>
    public long ZeroPages => Blocks.Sum(block => block.ZeroPages);

    /// <summary>
    /// Pages sent as a difference. The pages of xbzrle-cache of query-migrate are as many or more: those that had not changed, of
    /// which nothing is sent, and those sent as they are (overflow) count there too.
    /// </summary>
    public long XbzrlePages => Blocks.Sum(block => block.XbzrlePages);

    /// <summary>Pages sent as a zlib stream of their own (pages of compression of query-migrate).</summary>
    public long CompressedPages => Blocks.Sum(block => block.CompressedPages);

    /// <summary>Why nothing behind <see cref="Length"/> could be read; null for a stream that is whole.</summary>
    public MigrationException? Error { get; internal init; }
}

/// <summary>How RAM travels in a stream.</summary>
public enum MigrationStreamKind
{
    /// <summary>In passes, before the guest moves.</summary>
    Precopy,

    /// <summary>With the devices in a package, and pages after it.</summary>
    Postcopy,

    /// <summary>Each page at a place of its own in the file (capability mapped-ram).</summary>
    MappedRam,
}

/// <summary>The CONFIGURATION record.</summary>
/// <param name="Offset">Where it begins.</param>
/// <param name="Machine">The machine type with its version.</param>
/// <param name="Capabilities">The capabilities that both ends must agree on.</param>
/// <param name="Uuid">The guest's uuid, when the source wants it checked.</param>
/// <param name="PageBits">A page has 2 to the power of this many bytes.</param>
public sealed record StreamConfiguration(long Offset, string Machine, string[] Capabilities, Guid? Uuid, int PageBits);
