namespace PsMigrate.Engine.Streams;

/// <summary>
/// Tells the passes over RAM. QEMU looks at the dirty log between two sections, and within a pass it sends no page twice: so a
/// page that comes again was written since, and its pass began at the latest with its section. END always follows a look at the log.
/// </summary>
sealed class PassTracker
{
    // A hostile stream has as many as it likes.
    const int MaxListed = 1 << 16;

    readonly List<StreamPass> _passes = [];
    PageSet _pass = new();
    PageSet _section = new();
    PageCounts _passCounts;
    PageCounts _sectionCounts;
    long _passOffset;
    long _sectionOffset;
    bool _isNewInSection;

    /// <summary>Pages in the section so far.</summary>
    public long SectionPages { get; private set; }

    public void BeginSection(StreamSectionType type, long offset)
    {
        _passCounts.Add(_sectionCounts);
        _sectionCounts = default;
        _section.Clear();
        _sectionOffset = offset;
        _isNewInSection = false;
        SectionPages = 0;
        if (type == StreamSectionType.End) EndPass(offset);
    }

    public void Page(BlockTally block, long page, PageKind kind, long bytes, long offset)
    {
        SectionPages++;
        if (_passCounts.Pages + _sectionCounts.Pages == 0) _passOffset = _sectionOffset;
        if (!_pass.Add(block, page)) NewPass(block, page, offset);
        else if (!_isNewInSection) _section.Add(block, page);
        _sectionCounts.Add(kind, bytes);
    }

    /// <summary>Mapped RAM: each page has one place, so whatever the passes were, one is seen.</summary>
    public void AddMapped(PageCounts counts)
    {
        if (_passCounts.Pages + _sectionCounts.Pages == 0) _passOffset = _sectionOffset;
        SectionPages += counts.Pages;
        _sectionCounts.Add(counts);
    }

    public StreamPass[] Finish()
    {
        _passCounts.Add(_sectionCounts);
        _sectionCounts = default;
        EndPass(0);
        return [.. _passes];
    }

    void NewPass(BlockTally block, long page, long offset)
    {
        if (_isNewInSection)
        {
            // The second one of this section: no boundary to go back to.
            _passCounts.Add(_sectionCounts);
            _sectionCounts = default;
            EndPass(offset);
        }
        else
        {
            // What came before in this section belongs to the new pass.
            EndPass(_sectionOffset);
            (_pass, _section) = (_section, _pass);
            _isNewInSection = true;
            if (_pass.Add(block, page)) return;
            // It came twice in this very section.
            _passCounts.Add(_sectionCounts);
            _sectionCounts = default;
            EndPass(offset);
        }
        _pass.Add(block, page);
    }

    void EndPass(long nextOffset)
    {
        if (_passCounts.Pages > 0 && _passes.Count < MaxListed)
            _passes.Add(new StreamPass(_passes.Count + 1, _passOffset, _passCounts.Normal, _passCounts.Zero, _passCounts.Xbzrle,
                _passCounts.Compressed, _passCounts.Bytes));
        _passCounts = default;
        _passOffset = nextOffset;
        _pass.Clear();
    }
}
