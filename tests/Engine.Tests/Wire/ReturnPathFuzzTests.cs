using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>What a destination says in postcopy, bent at random: it ends typed, and asks for nothing but pages that there are.</summary>
public sealed class ReturnPathFuzzTests
{
    const int Pages = 200;

    [Theory]
    [InlineData(0, 5000)]
    [InlineData(5000, 10000)]
    public void Bent_messages_end_typed_and_ask_for_pages_that_there_are(int first, int last)
    {
        using var memory = new Memory();
        var ends = new Dictionary<string, int>();
        var taken = 0;
        for (var seed = first; seed < last; seed++)
        {
            var random = new Random(seed);
            var requests = new PageRequests(memory.Guest);
            MigrationException? error = null;
            var path = new ReturnPath(new MemoryConnection(Bend(random), 1 + random.Next(40)).Input, "fuzz", e => error = e, requests.Add);
            path.ExpectBitmap("ram", new ulong[BitWords.Count(Pages)]);
            Assert.True(path.WaitEnded(Patience.Limit), $"Seed {seed} hangs.");
            for (; requests.TryTake(out var block, out var word, out var bits); taken++)
            {
                Assert.True(block is 0 or 1, $"Seed {seed}: block {block}.");
                Assert.True(bits != 0 && (word * 64) + 63 - System.Numerics.BitOperations.LeadingZeroCount(bits) < Pages, $"Seed {seed}: {bits:x} of word {word}.");
            }
            var end = error?.Id.ToString() ?? "SHUT";
            ends[end] = ends.GetValueOrDefault(end) + 1;
        }
        Assert.True(ends.Count >= 8 && taken > 1000, $"{taken} words, and {string.Join(", ", ends)}");
    }

    static byte[] Bend(Random random)
    {
        var written = new BytesWriter();
        var back = new WireWriter(written);
        for (var count = random.Next(1, 8); count > 0; count--)
        {
            var (start, length) = ((ulong)random.Next(Pages) * GuestMemory.PageSize, (uint)random.Next(1, 4) * GuestMemory.PageSize);
            switch (random.Next(6))
            {
                case 0: ReturnPathMessage.RequestPages("ram", start, length).Send(back); break;
                case 1: ReturnPathMessage.RequestPages("rom", start, length).Send(back); break;
                case 2: ReturnPathMessage.RequestPages(null, start, length).Send(back); break;
                case 3: ReturnPathMessage.SendBitmap(back, "ram", new ulong[BitWords.Count(Pages)]); break;
                case 4: ReturnPathMessage.ResumeAck.Send(back); break;
                default: PostcopyFiguresMessage.Of(new PostcopyFigures()).Send(back); break;
            }
        }
        if (random.Next(3) == 0) ReturnPathMessage.Failure(MigrationErrorId.GuestLost, "gone").Send(back);
        ReturnPathMessage.Shut((uint)random.Next(2)).Send(back);
        var bytes = written.Written.ToArray();
        for (var count = random.Next(3); count > 0; count--) bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
        return random.Next(4) == 0 ? bytes[..random.Next(bytes.Length)] : bytes;
    }

    sealed class Memory : IDisposable
    {
        public GuestMemory Guest { get; } = new([("ram", Pages * (long)GuestMemory.PageSize), ("rom", Pages * (long)GuestMemory.PageSize)]);

        public void Dispose() => Guest.Release();
    }
}
