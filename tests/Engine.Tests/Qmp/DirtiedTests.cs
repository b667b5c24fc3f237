using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Tests.Qmp;

/// <summary>What a guest dirtied between two answers of a QEMU, against a plain count of pages.</summary>
public sealed class DirtiedTests
{
    const int Pages = 1000;

    [Fact]
    public void It_is_what_looks_at_the_log_added_to_what_was_left()
    {
        var random = new Random(7);
        for (var round = 0; round < 200; round++)
        {
            var dirty = Enumerable.Repeat(true, Pages).ToArray();
            var (normal, duplicate, differences) = (0L, 0L, 0L);
            var before = new QemuRamInfo();
            for (var pass = 0; pass < 5; pass++)
            {
                var differencesBefore = differences;
                for (var page = 0; page < Pages; page++)
                {
                    // Some are left when the log is looked at.
                    if (!dirty[page] || random.Next(8) == 0) continue;
                    dirty[page] = false;
                    switch (random.Next(3))
                    {
                        case 0: normal++; break;
                        case 1: duplicate++; break;
                        default: differences++; break;
                    }
                }
                var expected = 0;
                for (var writes = random.Next(2 * Pages); writes > 0; writes--)
                {
                    var page = random.Next(Pages);
                    if (!dirty[page]) expected++;
                    dirty[page] = true;
                }
                var now = new QemuRamInfo
                {
                    Total = Pages * 4096, Remaining = dirty.Count(one => one) * 4096, Normal = normal, Duplicate = duplicate, PageSize = 4096,
                };
                Assert.Equal(expected * 4096, now.DirtiedSince(before, differences - differencesBefore));
                before = now;
            }
        }
    }

    [Fact]
    public void It_is_never_less_than_nothing() => Assert.Equal(0, new QemuRamInfo { Total = 1 << 20, PageSize = 4096, Normal = 3 }.DirtiedSince(new(), 0));
}
