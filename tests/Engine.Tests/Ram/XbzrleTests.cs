using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>QEMU's page difference, against an encoder written from its description.</summary>
public sealed class XbzrleTests
{
    [Fact]
    public void Nothing_encoded_changes_nothing()
    {
        byte[] page = [1, 2, 3, 4];
        Assert.True(Xbzrle.TryDecode([], page));
        Assert.Equal([1, 2, 3, 4], page);
    }

    [Theory]
    [InlineData(new byte[] { 0, 1, 9 }, new byte[] { 9, 0, 0, 0, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 7, 1, 9 }, new byte[] { 0, 0, 0, 0, 0, 0, 0, 9 })]
    [InlineData(new byte[] { 0, 8, 1, 2, 3, 4, 5, 6, 7, 8 }, new byte[] { 1, 2, 3, 4, 5, 6, 7, 8 })]
    [InlineData(new byte[] { 1, 2, 7, 7, 2, 1, 5 }, new byte[] { 0, 7, 7, 0, 0, 5, 0, 0 })]
    public void Runs_replace_bytes_and_gaps_keep_them(byte[] encoded, byte[] expected)
    {
        var page = new byte[8];
        Assert.True(Xbzrle.TryDecode(encoded, page));
        Assert.Equal(expected, page);
    }

    [Theory]
    [InlineData(new byte[] { 8, 1, 9 })]
    [InlineData(new byte[] { 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9 })]
    [InlineData(new byte[] { 0xFF, 0x7F, 1, 1 })]
    [InlineData(new byte[] { 3 })]
    [InlineData(new byte[] { 3, 2, 1 })]
    [InlineData(new byte[] { 0, 0 })]
    [InlineData(new byte[] { 0, 1, 5, 0, 1, 5 })]
    [InlineData(new byte[] { 0x81 })]
    [InlineData(new byte[] { 0x81, 0x80, 1, 1 })]
    public void What_leaves_page_or_input_is_refused(byte[] encoded) => Assert.False(Xbzrle.TryDecode(encoded, new byte[8]));

    [Fact]
    public void Random_pages_come_back_from_their_difference()
    {
        var random = new Random(1);
        for (var round = 0; round < 500; round++)
        {
            var before = new byte[4096];
            random.NextBytes(before);
            var after = before.ToArray();
            for (var change = random.Next(40); change > 0; change--)
                random.NextBytes(after.AsSpan(random.Next(4000), random.Next(1, 96)));
            var page = before.ToArray();
            Assert.True(Xbzrle.TryDecode(Encode(before, after), page));
            Assert.Equal(after, page);
        }
    }

    [Fact]
    public void Rubbish_never_writes_outside_the_page()
    {
        var random = new Random(2);
        var memory = new byte[3 * 64];
        for (var round = 0; round < 20_000; round++)
        {
            var rubbish = new byte[random.Next(1, 80)];
            random.NextBytes(rubbish);
            _ = Xbzrle.TryDecode(rubbish, memory.AsSpan(64, 64));
            Assert.False(memory.AsSpan(0, 64).ContainsAnyExcept((byte)0) || memory.AsSpan(128).ContainsAnyExcept((byte)0));
        }
    }

    static byte[] Encode(byte[] before, byte[] after)
    {
        var encoded = new List<byte>();
        for (var at = 0; at < after.Length;)
        {
            var start = at;
            while (at < after.Length && before[at] == after[at]) at++;
            if (at == after.Length) break;
            Length(encoded, at - start);
            start = at;
            while (at < after.Length && before[at] != after[at]) at++;
            Length(encoded, at - start);
            encoded.AddRange(after[start..at]);
        }
        return [.. encoded];
    }

    static void Length(List<byte> encoded, int length)
    {
        if (length < 0x80) encoded.Add((byte)length);
        else encoded.AddRange([(byte)(length & 0x7F | 0x80), (byte)(length >> 7)]);
    }
}
