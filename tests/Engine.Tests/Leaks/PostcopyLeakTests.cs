using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Leaks;

/// <summary>Many postcopies at their destination, with every kind of end: nothing stays behind when the guest is removed, a lost one too.</summary>
[Collection("Alone")]
public sealed class PostcopyLeakTests
{
    // 64 MiB: one that stayed would stand out.
    const int Pages = 16 << 10;

    [LinuxFact]
    public void Whatever_the_end()
    {
        Round(0);
        ProcessState.AssertNoThreads();
        var (mapped, guests) = (ProcessState.Mapped(), GuestRegistry.All.Length);
        for (var round = 1; round < 100; round++) Round(round);
        ProcessState.AssertNoThreads();
        ProcessState.AssertMapped(mapped, Pages * (long)GuestMemory.PageSize);
        Assert.Equal(guests, GuestRegistry.All.Length);
    }

    static void Round(int round)
    {
        var policy = Incoming.Policy(maxMemory: 128 * TestGuests.MiB) with { RecoverTimeout = round % 7 == 1 ? TimeSpan.FromMilliseconds(1) : Patience.Limit };
        using var source = new PostcopySource(GuestWorkload.Random, Pages, policy);
        source.Setup().Package();
        if (round % 7 == 0)
        {
            // Before RUN.
            source.Main.Expect(ReturnPathType.Ready);
            source.Main.Abort();
            source.AwaitEnd();
            return;
        }
        source.Run().Answer(3);
        switch (round % 7)
        {
            case 1:
                source.Main.Abort();
                break;
            case 2:
                source.Stream.Wire.Byte(0x55);
                source.Stream.Wire.Flush();
                break;
            case 3:
                source.Arrival.Abort();
                break;
            case 4:
                source.Break().Recover();
                source.Answer(2);
                source.Arrival.Abort();
                break;
            case 5:
                Assert.Equal(HandoverOutcome.Running, source.Connect().Link.Join(source.Migration, JoinPurpose.Preempt));
                source.Arrival.Abort();
                break;
            case 6:
                source.Stream.Ram(RecordType.SectionPart, () => source.Stream.Run(0, source.Guest.Memory.Ram.Span(0, Pages * GuestMemory.PageSize)));
                source.End().Main.Expect(ReturnPathType.Shut);
                break;
        }
        source.AwaitEnd();
        Assert.Equal(round % 7 == 6 ? MigrationStatus.Completed : MigrationStatus.Failed, source.Arrival.Status);
        Assert.Equal(round % 7 == 6 ? GuestState.Running : GuestState.Lost, source.Arrived.State);
    }
}
