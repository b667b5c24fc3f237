using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>
/// Links that are cut anywhere, again and again, while the guest runs: by the seed pages are pushed, requests answered, records left half,
/// and recoveries begun that break too. Whatever happened, the guest is the one that stayed.
/// </summary>
public sealed class RandomCutTests
{
    [Theory]
    [InlineData(1, GuestWorkload.Random)]
    [InlineData(2, GuestWorkload.HotSpot)]
    [InlineData(3, GuestWorkload.Sequential)]
    [InlineData(4, GuestWorkload.WalkingIncrement)]
    [InlineData(5, GuestWorkload.Random)]
    [InlineData(6, GuestWorkload.Random)]
    public void It_is_whole_in_the_end(int seed, object workload)
    {
        var random = new Random(seed);
        using var source = new PostcopySource((GuestWorkload)workload, pages: 512);
        source.Setup().Send(Enumerable.Range(0, 512).Where(_ => random.Next(3) == 0).Select(page => (long)page));
        source.Stream.Discard(random.Next(200), 1 + random.Next(100));
        source.Package().Run();
        var cuts = 0;
        while (source.Arrival.MissingPages > 0)
        {
            switch (random.Next(8))
            {
                case 0 or 1 when cuts < 12:
                    cuts++;
                    Cut(source, random);
                    break;
                case 2 or 3:
                    if (source.Main.TryTakeRequest() is >= 0 and var page) source.Send(page);
                    break;
                case 4:
                    PushRun(source, random);
                    break;
                default:
                    source.Send(random.Next(512), random.Next(512), random.Next(512));
                    break;
            }
            Barrier(source);
        }
        Assert.True(cuts > 0, "Nothing was cut.");
        source.End().AssertArrived();
    }

    static void PushRun(PostcopySource source, Random random)
    {
        var (first, count) = (random.Next(480), 1 + random.Next(30));
        source.Stream.Ram(RecordType.SectionPart, () => source.Stream.Run(first, source.Guest.Memory.Ram.Span(first * (long)GuestMemory.PageSize, count * GuestMemory.PageSize)));
        source.Stream.Wire.Flush();
    }

    static void Cut(PostcopySource source, Random random)
    {
        var half = new BytesWriter();
        var first = random.Next(400);
        new StreamBuilder(source.Guest, half, source.Migration).Run(first, source.Guest.Memory.Ram.Span(first * (long)GuestMemory.PageSize, 50 * GuestMemory.PageSize));
        source.Stream.Wire.Bytes([(byte)RecordType.SectionPart, 0, 0, 0, 1, .. half.Written.AsSpan(0, random.Next(half.Written.Length))]);
        source.Stream.Wire.Flush();
        if (random.Next(2) == 0) source.Main.Close();
        else source.Main.Abort();
        if (random.Next(2) == 0) Patience.Until(() => source.Arrival.IsPaused || source.Arrival.IsEnded, "the pause");
        while (random.Next(3) == 0)
        {
            Assert.Equal(HandoverOutcome.Running, source.Rejoin());
            if (random.Next(2) == 0) source.Main.AskBitmap();
            source.Main.Abort();
        }
        source.Recover();
    }

    /// <summary>All that was sent has been read.</summary>
    static void Barrier(PostcopySource source)
    {
        while (source.Main.TryTake(ReturnPathType.Pong, out _))
        {
        }
        source.Main.Ping(9);
        source.Main.Expect(ReturnPathType.Pong);
    }
}
