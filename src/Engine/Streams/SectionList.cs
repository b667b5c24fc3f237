using System.Buffers.Binary;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Streams;

/// <summary>The sections of a stream; reads those that come in parts.</summary>
sealed class SectionList(StreamFile file, RamReader ram, PassTracker passes, CancellationToken cancellation)
{
    const int MaxListed = 1 << 18;
    const int FooterSize = 1 + 4;

    // A part of a live section that is not understood: dirty bitmaps and vfio send pieces of 1 MiB and less.
    const long MaxUnknownPart = 64 << 20;

    readonly List<StreamSection> _sections = [];
    readonly Dictionary<uint, SectionHeader> _live = [];
    bool? _hasFooters;

    /// <summary>Sections seen, listed or not.</summary>
    public long Count { get; private set; }

    /// <summary>Whether END of RAM has come.</summary>
    public bool HasRamEnded { get; private set; }

    /// <summary>False for machines up to 2.3.</summary>
    public bool HasFooters => _hasFooters ?? true;

    public StreamSection[] ToArray() => [.. _sections];

    public void Add(StreamSection section)
    {
        Count++;
        if (_sections.Count < MaxListed) _sections.Add(section);
    }

    /// <summary>START, PART or END, after its type byte. Throws what is wrong with it.</summary>
    public void ReadLive(StreamSectionType type)
    {
        var offset = file.Position - 1;
        file.Where = $"the header of {type.ToString().ToUpperInvariant()}";
        var section = type == StreamSectionType.Start ? ReadStart(offset) : FindLive(offset);
        var where = $"section {Printable.Text(section.Name)} ({type.ToString().ToUpperInvariant()}, number {section.Id})";
        file.Where = where;
        passes.BeginSection(type, offset);
        if (section.Name == StreamConstants.RamSection)
        {
            ram.ReadBody(where, cancellation);
            file.Where = where;
            // The first body tells whether this machine sends footers: without one a record follows at once.
            _hasFooters ??= file.PeekUpTo(1)
                is not [(> (byte)RecordType.Eof and <= (byte)RecordType.SectionFull) or (byte)RecordType.Command];
            if (HasFooters) ReadFooter(section);
            if (type == StreamSectionType.End) HasRamEnded = true;
        }
        else
        {
            SkipUnknown(section);
        }
        Add(new StreamSection(type, section.Id, section.Name, section.Instance, section.Version, offset, file.Position - offset,
            passes.SectionPages, InPackage: false));
    }

    SectionHeader ReadStart(long offset)
    {
        var section = new SectionHeader(file.UInt32(), file.Name(), file.UInt32(), file.UInt32());
        if (section.Name == StreamConstants.RamSection && section.Version != StreamConstants.RamVersion)
            throw file.ErrorAt(offset, MigrationErrorId.UnsupportedSectionVersion,
                $"ram version {section.Version} is not supported, only {StreamConstants.RamVersion}.");
        return _live.TryAdd(section.Id, section) ? section
            : throw file.ErrorAt(offset, MigrationErrorId.InvalidValue, $"Section number {section.Id} is started twice.");
    }

    SectionHeader FindLive(long offset)
    {
        var id = file.UInt32();
        return _live.TryGetValue(id, out var section) ? section
            : throw file.ErrorAt(offset, MigrationErrorId.UnknownSection, $"Section number {id} was not started.");
    }

    void ReadFooter(SectionHeader section)
    {
        var at = file.Position;
        var type = (RecordType)file.Byte();
        if (type != RecordType.Footer)
            throw file.ErrorAt(at, MigrationErrorId.WrongFooter, $"There is no footer, but 0x{(byte)type:x2}.");
        var id = file.UInt32();
        if (id != section.Id) throw file.ErrorAt(at, MigrationErrorId.WrongFooter, $"The footer says {id} instead of {section.Id}.");
    }

    /// <summary>Goes past a body that only its device understands, to the footer that a record follows.</summary>
    void SkipUnknown(SectionHeader section)
    {
        Span<byte> footer = stackalloc byte[FooterSize];
        footer[0] = (byte)RecordType.Footer;
        BinaryPrimitives.WriteUInt32BigEndian(footer[1..], section.Id);
        var end = file.Position + MaxUnknownPart;
        while (file.Position < end)
        {
            cancellation.ThrowIfCancellationRequested();
            var seen = file.PeekUpTo(StreamFile.MaxPeek);
            var found = seen.IndexOf(footer);
            if (found < 0)
            {
                // The last bytes may be the beginning of it.
                if (seen.Length <= FooterSize) break;
                file.Skip(seen.Length - FooterSize + 1);
                continue;
            }
            file.Skip(found + FooterSize);
            if (file.PeekUpTo(1) is [] or [<= (byte)RecordType.SectionFull or (byte)RecordType.Command]) return;
        }
        throw file.Error(MigrationErrorId.UnsupportedFeature, "The body is not understood, and no footer tells where it ends.");
    }
}
