using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>Loads RAM from the section bodies of the main channel (ram_load of QEMU): the list of blocks, then pages of them.</summary>
/// <param name="prepare">Gives the memory for the blocks once their list is known; throws when it may not have it.</param>
sealed class RamLoader(Func<(string Name, long Length)[], GuestMemory> prepare)
{
    readonly PageRecords _records = new();

    /// <summary>The RAM, once its blocks are known.</summary>
    public ArrivingRam? Ram => _records.Ram;

    /// <summary>Connections of their own that pages come through; null when there are none.</summary>
    public IPageChannels? Channels { get; set; }

    /// <summary>The file that holds the pages, each at its place, when the stream has the capability mapped-ram; else null.</summary>
    public MappedRamLoader? Mapped { get; set; }

    /// <summary>The page sizes of all blocks, ORed, as POSTCOPY_ADVISE says; 0 without one.</summary>
    public ulong AdvisedPageSizes { get; set; }

    /// <inheritdoc cref="PageRecords.AcceptsRuns"/>
    public bool AcceptsRuns
    {
        get => _records.AcceptsRuns;
        set => _records.AcceptsRuns = value;
    }

    public long NormalPages => _records.NormalPages + _records.CompressedPages + _records.SparsePages + (Mapped?.NormalPages ?? 0);

    public long ZeroPages => _records.ZeroPages;

    public long XbzrlePages => _records.XbzrlePages;

    public long SparsePages => _records.SparsePages;

    public long CompressedPages => _records.CompressedPages;

    /// <inheritdoc cref="PageRecords.TouchAhead"/>
    public bool TouchAhead() => Mapped is null && _records.TouchAhead();

    /// <inheritdoc cref="PageRecords.ForgetBlock"/>
    public void ForgetBlock() => _records.ForgetBlock();

    /// <summary>The body of any ram section.</summary>
    public void ReadBody(WireReader reader)
    {
        while (true)
        {
            _records.ReadPlainPages(reader);
            var word = reader.UInt64();
            var flags = word & RamFlags.Mask;
            switch (flags)
            {
                case RamFlags.Eos when word == RamFlags.Eos:
                    Channels?.SectionEnded();
                    _ = Ram?.IsComplete;
                    return;
                case RamFlags.MemSize:
                    ReadBlockList(reader, (long)(word & ~RamFlags.Mask));
                    break;
                case RamFlags.MultifdFlush when Channels is not null && word == RamFlags.MultifdFlush:
                    Channels.FlushSeen();
                    break;
                case RamFlags.MultifdFlush:
                    throw reader.Error(MigrationErrorId.UnsupportedFeature, "The source sends pages through channels that this receiver does not expect (capability multifd).");
                case RamFlags.Hook:
                    throw reader.Error(MigrationErrorId.UnsupportedFeature, "RAM over RDMA is not supported.");
                case not RamFlags.Eos when Mapped is not null:
                    throw reader.Error(MigrationErrorId.InvalidValue, $"RAM record 0x{word:x16} can't be in a file in which each page has its place.");
                default:
                    if (!_records.TryRead(reader, word)) throw reader.Error(MigrationErrorId.InvalidValue, $"RAM record 0x{word:x16} can't be.");
                    break;
            }
        }
    }

    void ReadBlockList(WireReader reader, long total)
    {
        if (Ram is not null) throw reader.Error(MigrationErrorId.OutOfOrder, "The list of RAM blocks comes twice.");
        _records.Ram = new ArrivingRam(prepare(BlockList.Read(reader, total, AdvisedPageSizes, Mapped)));
        Mapped?.Load(reader, _records.Ram);
    }
}
