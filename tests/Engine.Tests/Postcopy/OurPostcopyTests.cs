using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>A guest of ours that runs at its destination before its memory has come, with a source that does what the test says.</summary>
public sealed class OurPostcopyTests
{
    [Theory]
    [InlineData(GuestWorkload.Idle)]
    [InlineData(GuestWorkload.Sequential)]
    [InlineData(GuestWorkload.Random)]
    [InlineData(GuestWorkload.HotSpot)]
    [InlineData(GuestWorkload.WalkingIncrement)]
    public void It_runs_without_a_page_and_is_the_one_that_stayed_when_all_have_come(object workload)
    {
        using var source = new PostcopySource((GuestWorkload)workload);
        source.GoOver();
        Assert.Equal(MigrationStatus.PostcopyActive, source.Arrival.Status);
        Assert.Equal(GuestState.Running, source.Arrived.State);
        Assert.True(source.Arrived.IsBusy);
        Assert.Equal(source.Pages, source.Arrival.MissingPages);
        var asked = (GuestWorkload)workload == GuestWorkload.Idle ? [] : source.Answer(20);
        Assert.Equal(asked.Count, asked.Distinct().Count());
        var figures = source.SendAll().End().AssertArrived();
        Assert.Equal(0, source.Arrival.MissingPages);
        Assert.Equal(source.Pages, figures.Pages);
        Assert.True(figures.Faults >= asked.Count && figures.RequestedPages >= asked.Count, $"{figures}");
        Assert.Equal(figures.Faults, figures.Latencies.Sum());
        Assert.Equal(2, figures.BlockedTimes.Count);
        Assert.Equal(figures.Faults, source.Arrival.Postcopy!.Faults);
    }

    [Fact]
    public void What_asks_for_pages_is_there_before_the_source_stops_its_guest()
    {
        using var source = new PostcopySource();
        source.Setup();
        Patience.Until(() => source.Arrival.CanAsk, "the thread that asks for pages");
        source.Package().Run();
        source.Answer(3);
        source.SendAll().End().AssertArrived();
    }

    [Fact]
    public void Pages_that_were_discarded_come_anew_and_no_other_is_asked_for()
    {
        using var source = new PostcopySource(GuestWorkload.Random);
        source.Setup().SendAll();
        source.Stream.Discard(10, 50).Discard(255, 1);
        source.Package().Run();
        Assert.Equal(51, source.Arrival.MissingPages);
        Assert.All(source.Answer(30), page => Assert.True(page is >= 10 and < 60 or 255, $"{page}"));
        source.Send(Enumerable.Range(10, 50).Select(page => (long)page).Append(255)).End().AssertArrived();
    }

    [Fact]
    public void The_first_request_names_the_block_and_the_others_do_not()
    {
        using var source = new PostcopySource();
        source.GoOver();
        var first = source.Main.Expect(ReturnPathType.RequestPagesId);
        var page = ScriptedLink.PageOf(first);
        Assert.Equal([.. ReturnPathMessage.RequestPages("ram", (ulong)page * 4096, 4096).Payload], first.Payload);
        source.Send(page);
        source.Main.Expect(ReturnPathType.RequestPages);
        Assert.DoesNotContain(source.Main.Left, message => message.Type == ReturnPathType.RequestPagesId);
        source.SendAll().End().AssertArrived();
    }

    [Fact]
    public void A_page_that_comes_twice_is_placed_once()
    {
        using var source = new PostcopySource(GuestWorkload.Sequential);
        source.GoOver();
        source.SendAll();
        TestGuests.WaitForTick(source.Arrived, source.Guest.Ticks.Max() + 300);
        source.SendAll().End().AssertArrived();
    }

    [Fact]
    public void Runs_bring_pages_too()
    {
        using var source = new PostcopySource(GuestWorkload.Random);
        source.GoOver();
        source.Send(source.Answer(3));
        source.Stream.Ram(RecordType.SectionPart, () =>
        {
            source.Stream.Run(0, source.Guest.Memory.Ram.Span(0, 100 * GuestMemory.PageSize));
            source.Stream.Run(90, source.Guest.Memory.Ram.Span(90 * GuestMemory.PageSize, 166 * GuestMemory.PageSize));
        });
        source.End().AssertArrived();
    }

    [Fact]
    public void Signs_of_life_are_answered_while_nothing_comes()
    {
        using var source = new PostcopySource();
        source.GoOver();
        while (source.Main.TryTake(ReturnPathType.Pong, out _))
        {
        }
        for (var i = 1U; i <= 5; i++)
        {
            source.Main.Ping(i);
            Assert.Equal(i, source.Main.Expect(ReturnPathType.Pong).Value);
        }
        source.SendAll().End().AssertArrived();
    }

    [Fact]
    public void A_question_before_RUN_is_the_end_of_it_at_this_end()
    {
        using var source = new PostcopySource();
        source.Setup().Package();
        source.Main.Expect(ReturnPathType.Ready);
        Assert.Equal(HandoverOutcome.Discarded, HandoverLedger.Ask(source.Migration));
        CommandRecord.Write(source.Stream.Wire, CommandType.Run);
        source.Stream.Wire.Flush();
        Assert.Equal(MigrationErrorId.ConnectionLost, source.Main.Expect(ReturnPathType.Failure).ReadFailure().Id);
        source.AwaitEnd();
        Assert.Empty(TestGuests.On(source.Policy.HostName));
    }

    [Fact]
    public void A_name_that_was_taken_meanwhile_leaves_the_guest_where_it_was()
    {
        using var source = new PostcopySource();
        source.Setup().Package();
        source.Main.Expect(ReturnPathType.Ready);
        var other = TestGuests.Create(source.Options with { Host = source.Policy.HostName });
        CommandRecord.Write(source.Stream.Wire, CommandType.Run);
        source.Stream.Wire.Flush();
        Assert.Equal(MigrationErrorId.DuplicateGuestName, source.Main.Expect(ReturnPathType.Failure).ReadFailure().Id);
        source.AwaitEnd();
        Assert.Same(other, source.Arrived);
        Assert.Equal(HandoverOutcome.Discarded, HandoverLedger.Ask(source.Migration));
    }

    [Fact]
    public void A_link_that_breaks_before_RUN_leaves_nothing()
    {
        using var source = new PostcopySource();
        source.Setup().Package();
        source.Main.Expect(ReturnPathType.Ready);
        source.Main.Abort();
        source.AwaitEnd();
        Assert.Equal(MigrationStatus.Failed, source.Arrival.Status);
        Assert.Null(source.Arrival.Error!.Location);
        Assert.Empty(TestGuests.On(source.Policy.HostName));
        Assert.Equal(HandoverOutcome.Discarded, source.Rejoin());
    }

    [Fact]
    public void A_receiver_that_leaves_guests_suspended_takes_all_pages()
    {
        using var source = new PostcopySource(policy: Incoming.Policy() with { StartSuspended = true });
        source.GoOver().SendAll().End();
        source.Main.Expect(ReturnPathType.Shut);
        source.AwaitEnd();
        Assert.Equal(GuestState.Suspended, source.Arrived.State);
        Assert.Equal(source.Guest.Digest(), source.Arrived.Digest());
    }
}
