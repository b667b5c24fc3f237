using PsMigrate.Engine.Streams;

namespace PsMigrate.Engine.Tests.Streams;

/// <summary>Which pass a page belongs to.</summary>
public sealed class PassTrackerTests
{
    readonly PassTracker _passes = new();
    readonly BlockTally _one = new(0, "one", 1L << 30);
    readonly BlockTally _two = new(1, "two", 1 << 20);
    long _offset;

    [Fact]
    public void A_pass_begins_with_the_section_of_the_first_page_that_comes_again()
    {
        Section(0, 1, 2);
        Section(3, 4);
        // Page 9 was written before, but is new to the pass: it goes with its section.
        Section(9, 1, 3);
        Section(4);
        Assert.Equal([(1, 5L, 0L), (2, 4L, 2000L)], Finish());
    }

    [Fact]
    public void The_end_is_a_pass_of_its_own()
    {
        Section(0, 1);
        Begin(StreamSectionType.End);
        Page(_one, 7);
        Assert.Equal([(1, 2L, 0L), (2, 1L, 1000L)], Finish());
    }

    [Fact]
    public void A_page_that_comes_twice_in_a_section_begins_a_pass_there()
    {
        Section(0, 1, 0, 2, 0, 0);
        Assert.Equal([2L, 2L, 1L, 1L], _passes.Finish().Select(pass => pass.Pages));
    }

    [Fact]
    public void Pages_of_other_blocks_are_others_and_far_ones_too()
    {
        Begin(StreamSectionType.Part);
        Page(_one, 5);
        Page(_two, 5);
        Page(_one, 40000);
        Page(_one, (1 << 18) - 1);
        Assert.Equal(4, Assert.Single(_passes.Finish()).Pages);
    }

    [Fact]
    public void Sections_without_pages_make_no_pass()
    {
        Section();
        Section(1);
        Section();
        Begin(StreamSectionType.End);
        Assert.Equal([(1, 1L, 1000L)], Finish());
    }

    void Section(params int[] pages)
    {
        Begin(StreamSectionType.Part);
        foreach (var page in pages) Page(_one, page);
    }

    void Begin(StreamSectionType type)
    {
        _passes.BeginSection(type, _offset);
        _offset = (_offset / 1000 * 1000) + 1000;
    }

    void Page(BlockTally block, long page) => _passes.Page(block, page, PageKind.Zero, 9, _offset);

    (int, long, long)[] Finish() => [.. _passes.Finish().Select(pass => (pass.Number, pass.Pages, pass.Offset))];
}
