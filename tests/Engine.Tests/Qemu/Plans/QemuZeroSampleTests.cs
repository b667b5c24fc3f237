using System.Globalization;
using PsMigrate.Engine.Qemu;

namespace PsMigrate.Engine.Tests.Qemu.Plans;

/// <summary>Which pages of a PC are looked at, and what QEMU's monitor says of one.</summary>
public sealed class QemuZeroSampleTests
{
    const long GiB = 1L << 30;

    [Theory]
    [InlineData(64L << 20)]
    [InlineData(2 * GiB)]
    [InlineData(3 * GiB)]
    [InlineData(8 * GiB)]
    [InlineData(1024 * GiB)]
    public void Only_what_is_RAM_for_certain_is_looked_at(long memory)
    {
        var addresses = QemuZeroSample.Addresses(memory).ToArray();
        Assert.InRange(addresses.Length, 390, 400);
        Assert.Equal(addresses.Order(), addresses);
        Assert.All(addresses, address =>
        {
            Assert.Equal(0, address % 4096);
            Assert.False(address is >= 0xa0000 and < 0x100000);
            Assert.True(address < Math.Min(memory, 2 * GiB) || (address >= 4 * GiB && address < memory + GiB));
        });
        // As much below as above, by how much there is.
        if (memory == 8 * GiB) Assert.InRange(addresses.Count(address => address >= 4 * GiB), 280, 290);
    }

    [Theory]
    [InlineData(64L << 20)]
    [InlineData(3 * GiB)]
    [InlineData(8 * GiB)]
    public void Where_the_zeros_lie_is_told_by_parts_of_the_memory(long memory)
    {
        var seen = QemuZeroSample.Addresses(memory).Select(address => QemuZeroSample.OffsetOf(address, memory)).Select(offset => (offset, offset >= memory / 4)).ToArray();
        Assert.All(seen, page => Assert.InRange(page.offset, 0, memory - 4096));
        var (share, places) = QemuZeroSample.Shares(seen, memory);
        Assert.Equal(seen.Count(page => page.Item2) / (double)seen.Length, share);
        Assert.Equal(32, places.Length);
        Assert.All(places[..8], zeros => Assert.Equal(0, zeros));
        // Of what may be no RAM nothing is seen, and it is as the whole.
        Assert.All(places[8..], zeros => Assert.True(zeros == 1 || zeros == share));
        Assert.Equal(memory == 64L << 20, places[8..].All(zeros => zeros == 1));
    }

    [Fact]
    public void A_dump_is_zero_when_all_of_its_words_are()
    {
        Assert.True(QemuZeroSample.IsZero(Dump(-1)));
        Assert.False(QemuZeroSample.IsZero(Dump(0)));
        Assert.False(QemuZeroSample.IsZero(Dump(511)));
        Assert.Null(QemuZeroSample.IsZero("Cannot access memory\r\n"));
        Assert.Null(QemuZeroSample.IsZero(""));
        Assert.Null(QemuZeroSample.IsZero(Dump(-1)[..1000]));
    }

    static string Dump(int marked) => string.Concat(Enumerable.Range(0, 256).Select(line => string.Create(CultureInfo.InvariantCulture,
        $"{0x12345000 + (16 * line):x16}: 0x{(2 * line == marked ? 1 : 0):x16} 0x{((2 * line) + 1 == marked ? 1L << 60 : 0):x16}\r\n")));
}
