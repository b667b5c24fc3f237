using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Tests.Transport;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.EarlyEnds;

/// <summary>The link breaks inside of a run: neither end touches memory that is not its any more, and the guest stays.</summary>
public sealed class CutRunTests
{
    const int Page = GuestMemory.PageSize;
    const int Pages = 700;
    const int Runs = 8;

    public static TheoryData<string, bool> Ends
    {
        get
        {
            var ends = new TheoryData<string, bool>();
            foreach (var kind in Links.Kinds)
                foreach (var isSource in new[] { true, false }) ends.Add(kind, isSource);
            return ends;
        }
    }

    [Theory]
    [MemberData(nameof(Ends))]
    public void Both_ends_are_through_with_their_memory_when_they_say_so(string kind, bool isSource)
    {
        var random = new Random(5);
        for (var round = 0; round < 30; round++) Cut(kind, isSource, random.NextInt64(Runs * Pages * Page));
        // The edges of the first runs: the head, the first and the last byte.
        foreach (var at in new long[] { 0, 1, 40, 41, 40 + (Pages * Page), 52 + (Pages * Page) }) Cut(kind, isSource, at);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_guest_stays_wherever_the_link_breaks(bool isReset)
    {
        var options = TestGuests.Options() with { Content = GuestContent.Random, ContentSize = 12 * TestGuests.MiB };
        var there = TestGuests.UniqueName("there");
        var guest = TestGuests.Create(options);
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = there });
        try
        {
            var random = new Random(9);
            for (var round = 0; round < 12; round++)
            {
                using var proxy = new FaultProxy(receiver.Uri, new LinkFault(isReset ? LinkFaultKind.Reset : LinkFaultKind.Cut, random.Next(200, (int)(11 * TestGuests.MiB))));
                var migration = Migration.Start(guest, proxy.Uri, new MigrationParameters { Verify = true });
                Assert.True(migration.Wait(Patience.Limit));
                Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (migration.Result!.State, migration.Result.Location));
                Assert.Equal(GuestState.Running, guest.State);
                Patience.Until(() => TestGuests.On(there).Count == 0, "the receiver to drop what it had");
            }
            TestGuests.WaitForTick(guest, guest.Ticks.Max() + 10);
            Reference.AssertIntact(options, guest);
        }
        finally
        {
            TestGuests.RemoveAll(options.Host, there);
        }
    }

    /// <summary>
    /// Runs of pages one after the other, until one end cuts the link at a byte of them. Each end gives its memory back the moment that it is
    /// told of the cut: whoever still looked at it would end this process.
    /// </summary>
    static void Cut(string kind, bool isSource, long at)
    {
        var (source, destination) = Links.Open(kind);
        var from = new GuestMemory(Pages * Page);
        new Random(1).NextBytes(from.Ram.Span(0, Pages * Page));
        var cutting = isSource ? source : destination;
        var sending = Links.Run(() => Send(source, from));
        var receiving = Links.Run(() => Receive(destination));
        while ((isSource ? source.BytesSent : destination.BytesReceived) < at && !sending.IsCompleted && !receiving.IsCompleted) Thread.Yield();
        cutting.Abort();
        Assert.Contains(Links.Await(sending), new MigrationErrorId?[] { null, MigrationErrorId.ConnectionLost });
        Assert.Contains(Links.Await(receiving), new MigrationErrorId?[] { null, MigrationErrorId.ConnectionLost, MigrationErrorId.UnexpectedEnd });
        source.Dispose();
        destination.Dispose();
    }

    static MigrationErrorId? Send(IConnection link, GuestMemory memory)
    {
        try
        {
            var writer = new WireWriter(link.Output);
            writer.UInt64((Pages * (ulong)Page) | RamFlags.MemSize);
            writer.Name("ram");
            writer.UInt64(Pages * (ulong)Page);
            for (var run = 0; run < Runs; run++)
            {
                writer.UInt64(RamFlags.Run | (run > 0 ? RamFlags.Continue : 0));
                if (run == 0) writer.Name("ram");
                writer.UInt32(Pages);
                writer.WriteThrough(memory.Ram.Span(0, Pages * Page));
            }
            writer.UInt64(RamFlags.Eos);
            writer.Flush();
            return null;
        }
        catch (MigrationException e)
        {
            return e.Id;
        }
        finally
        {
            memory.Release();
        }
    }

    static MigrationErrorId? Receive(IConnection link)
    {
        var memory = new GuestMemory(Pages * Page);
        try
        {
            new RamLoader(_ => memory) { AcceptsRuns = true }.ReadBody(new WireReader(link.Input, MigrationSide.Source));
            return null;
        }
        catch (MigrationException e)
        {
            return e.Id;
        }
        finally
        {
            memory.Release();
        }
    }
}
