using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>A link that breaks when the guest runs here already: it waits, and goes on over another one that says whose it is.</summary>
public sealed class OurRecoveryTests
{
    [Fact]
    public void It_goes_on_twice_in_a_row_and_asks_again_for_what_is_waited_for()
    {
        using var source = new PostcopySource(GuestWorkload.Random);
        source.GoOver();
        source.Send(source.Answer(5));
        for (var time = 0; time < 2; time++)
        {
            // Both vCPUs stand before the link breaks, and what they wait for was asked for over it.
            Patience.Until(() => source.Arrived.Cpus.All(cpu => cpu.IsAsleep) && Requests(source.Main).Count >= 2, "two requests");
            var open = Requests(source.Main);
            source.Break();
            Assert.Equal(MigrationStatus.PostcopyPaused, source.Arrival.Status);
            Assert.Equal(GuestState.Running, source.Arrived.State);
            var received = source.Recover();
            Assert.Equal(source.Arrival.MissingPages, Enumerable.Range(0, (int)source.Pages).Count(page => !Has(received, page)));
            Patience.Until(() => Requests(source.Main).Count >= 2, "the requests, once more");
            Assert.Equal(open.TakeLast(2).Order(), Requests(source.Main).Order());
            Assert.Equal(ReturnPathType.RequestPagesId, source.Main.Left[0].Type);
            Assert.Equal(MigrationStatus.PostcopyActive, source.Arrival.Status);
            source.Answer(3);
        }
        source.SendAll().End();
        var figures = source.AssertArrived();
        Assert.True(figures.WorstLatency > TimeSpan.Zero);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(11)]
    [InlineData(13)]
    [InlineData(2000)]
    [InlineData(4107)]
    public void A_page_that_is_cut_has_not_come(int bytes)
    {
        using var source = new PostcopySource(GuestWorkload.Idle);
        source.GoOver();
        source.Send(0, 1, 2);
        var whole = new BytesWriter();
        var builder = new StreamBuilder(source.Guest, whole, source.Migration);
        builder.Raw(3, source.Guest.Memory.Ram.Page(3));
        // PART, its number, then so much of a page.
        CutAfter(source, [(byte)RecordType.SectionPart, 0, 0, 0, 1, .. whole.Written[..bytes]]);
        Assert.Equal(source.Pages - 3, source.Arrival.MissingPages);
        var received = source.Recover();
        Assert.Equal(0b111UL, received[0] & 0xFF);
        source.SendMissing(received).End().AssertArrived();
    }

    [Fact]
    public void Of_a_run_that_is_cut_whole_pages_have_come_and_no_other()
    {
        using var source = new PostcopySource(GuestWorkload.Idle);
        source.GoOver();
        var whole = new BytesWriter();
        new StreamBuilder(source.Guest, whole, source.Migration).Run(64, source.Guest.Memory.Ram.Span(64 * GuestMemory.PageSize, 100 * GuestMemory.PageSize));
        CutAfter(source, [(byte)RecordType.SectionPart, 0, 0, 0, 1, .. whole.Written[..^(30 * GuestMemory.PageSize + 7)]]);
        var received = source.Recover();
        Assert.Equal([0, ulong.MaxValue, (1UL << 5) - 1, 0], received);
        source.SendMissing(received).End().AssertArrived();
    }

    [Fact]
    public void The_end_that_was_cut_is_sent_again()
    {
        using var source = new PostcopySource(GuestWorkload.Idle);
        source.GoOver();
        source.Send(Enumerable.Range(0, 200).Select(page => (long)page));
        source.Stream.Ram(RecordType.SectionEnd, () => { });
        source.Stream.Wire.Flush();
        source.Main.Ping(77);
        Patience.Until(() => source.Main.Left.Any(message => message.Type == ReturnPathType.Pong && message.Value == 77), "the pong");
        source.Break();
        source.SendMissing(source.Recover()).End().AssertArrived();
    }

    [Fact]
    public void A_link_that_breaks_when_all_pages_are_there_is_an_end_like_any_other()
    {
        using var source = new PostcopySource();
        source.GoOver().SendAll();
        Patience.Until(() => source.Arrival.MissingPages == 0, "all pages");
        source.Main.Abort();
        source.AwaitEnd();
        Assert.Equal(MigrationStatus.Completed, source.Arrival.Status);
        // The source has not heard it, and is told once more, as often as it asks.
        for (var time = 0; time < 2; time++)
        {
            Assert.Equal(HandoverOutcome.Running, source.Rejoin());
            Assert.True(PostcopyFiguresMessage.Read(source.Main.Expect(ReturnPathType.PostcopyFigures)).Pages == source.Pages);
            Assert.Equal(0U, source.Main.Expect(ReturnPathType.Shut).Value);
        }
        Reference.AssertIntact(source.Options, source.Arrived);
    }

    [Fact]
    public void A_recovery_cuts_the_link_that_only_the_source_knows_to_be_gone()
    {
        using var source = new PostcopySource();
        source.GoOver();
        source.Answer(3);
        var before = source.Main;
        var received = source.Recover();
        Assert.NotSame(before, source.Main);
        Patience.Until(() => before.IsEnded, "the end of the link that was there");
        source.SendMissing(received).End().AssertArrived();
    }

    [Fact]
    public void A_recovery_that_breaks_is_followed_by_another()
    {
        using var source = new PostcopySource();
        source.GoOver();
        source.Answer(2);
        source.Break();
        Assert.Equal(HandoverOutcome.Running, source.Rejoin());
        source.Main.AskBitmap();
        Assert.Equal(MigrationStatus.PostcopyRecover, source.Arrival.Status);
        Assert.DoesNotContain(source.Main.Left, message => message.Type is ReturnPathType.RequestPages or ReturnPathType.RequestPagesId);
        source.Break();
        source.SendMissing(source.Recover()).End().AssertArrived();
    }

    [Fact]
    public void A_recovery_through_another_receiver_of_the_process_finds_it()
    {
        using var source = new PostcopySource();
        source.GoOver();
        source.Break();
        Assert.Equal(HandoverOutcome.Running, source.Rejoin(Incoming.Policy()));
        var received = source.Main.AskBitmap();
        CommandRecord.Write(source.Main.Wire, CommandType.PostcopyResume);
        source.Main.Wire.Flush();
        source.Main.Expect(ReturnPathType.ResumeAck);
        source.SendMissing(received).End().AssertArrived();
    }

    [Fact]
    public void A_recovery_that_goes_wrong_before_RESUME_is_followed_by_another()
    {
        using var source = new PostcopySource();
        source.GoOver();
        source.Answer(2);
        source.Break();
        foreach (var wrong in new byte[][] { [(byte)RecordType.SectionPart, 0, 0, 0, 1], [0x7F], [(byte)RecordType.Command, 0x77, 0x77, 0, 0], [(byte)RecordType.Eof] })
        {
            Assert.Equal(HandoverOutcome.Running, source.Rejoin());
            Patience.Until(() => source.Arrival.Status == MigrationStatus.PostcopyRecover, "the recovery");
            source.Main.Wire.Bytes(wrong);
            source.Main.Wire.Flush();
            Patience.Until(() => source.Arrival.IsPaused || source.Arrival.IsEnded, "the pause");
            Assert.Equal((MigrationStatus.PostcopyPaused, GuestState.Running), (source.Arrival.Status, source.Arrived.State));
            Patience.Until(() => source.Main.IsEnded, "the end of the link that went wrong");
            Assert.DoesNotContain(source.Main.Left, message => message.Type is ReturnPathType.Failure or ReturnPathType.Shut);
        }
        source.SendMissing(source.Recover()).End().AssertArrived();
    }

    [Fact]
    public void The_preempt_channel_brings_what_is_waited_for_and_is_made_anew_after_a_recovery()
    {
        using var source = new PostcopySource(GuestWorkload.Random);
        source.Setup();
        var preempt = Preempt(source);
        source.Package().Run();
        AnswerThrough(source, preempt, 10);
        source.Break();
        Patience.Until(() => preempt.IsEnded, "the end of the preempt channel");
        Assert.Equal(HandoverOutcome.Running, source.Rejoin());
        var received = source.Main.AskBitmap();
        preempt = Preempt(source);
        CommandRecord.Write(source.Main.Wire, CommandType.PostcopyResume);
        source.Main.Wire.Flush();
        source.Main.Expect(ReturnPathType.ResumeAck);
        AnswerThrough(source, preempt, 5);
        preempt.Close();
        source.SendMissing(received).End().AssertArrived();
    }

    [Fact]
    public void Runs_may_come_through_the_preempt_channel()
    {
        using var source = new PostcopySource(GuestWorkload.Idle);
        source.Setup();
        var preempt = Preempt(source);
        source.Package().Run();
        var builder = new StreamBuilder(source.Guest, preempt.Output, source.Migration);
        builder.Run(0, source.Guest.Memory.Ram.Span(0, 256 * GuestMemory.PageSize));
        builder.Wire.Flush();
        preempt.Close();
        source.End().AssertArrived();
    }

    [Fact]
    public void A_preempt_channel_that_is_cut_cuts_the_main_channel_so_that_what_it_carried_comes_again()
    {
        using var source = new PostcopySource(GuestWorkload.Random);
        source.Setup();
        var preempt = Preempt(source);
        source.Package().Run();
        preempt.Abort();
        Patience.Until(() => source.Arrival.IsPaused, "the pause");
        Patience.Until(() => source.Main.IsEnded, "the end of the main channel");
        source.SendMissing(source.Recover()).End().AssertArrived();
    }

    [Fact]
    public void An_end_before_the_pages_of_the_preempt_channel_waits_for_them()
    {
        using var source = new PostcopySource(GuestWorkload.Idle);
        source.Setup();
        var preempt = Preempt(source);
        source.Package().Run();
        source.Send(Enumerable.Range(0, 255).Select(page => (long)page)).End();
        Patience.Until(() => source.Arrival.MissingPages == 1, "all pages but one");
        var builder = new StreamBuilder(source.Guest, preempt.Output, source.Migration);
        builder.Raw(255, source.Guest.Memory.Ram.Page(255));
        builder.Wire.Flush();
        source.AssertArrived();
    }

    static ScriptedLink Preempt(PostcopySource source)
    {
        var (_, link) = source.Connect();
        Assert.Equal(HandoverOutcome.Running, link.Join(source.Migration, JoinPurpose.Preempt));
        return link;
    }

    static void AnswerThrough(PostcopySource source, ScriptedLink preempt, int count)
    {
        var builder = new StreamBuilder(source.Guest, preempt.Output, source.Migration);
        var answered = 0;
        Patience.Until(() =>
        {
            if (source.Main.TryTakeRequest() is >= 0 and var page)
            {
                builder.Raw(page, source.Guest.Memory.Ram.Page(page));
                builder.Wire.Flush();
                answered++;
            }
            return answered >= count;
        }, $"{count} requests");
    }

    /// <summary>Bytes, and then nothing more: when they have been read, the link is cut.</summary>
    static void CutAfter(PostcopySource source, byte[] bytes)
    {
        source.Stream.Wire.Bytes(bytes);
        source.Stream.Wire.Flush();
        // What was sent before an end in peace is read.
        source.Main.Close();
        Patience.Until(() => source.Arrival.IsPaused, "the pause");
    }

    static List<long> Requests(ScriptedLink link) =>
        [.. link.Left.Where(message => message.Type is ReturnPathType.RequestPages or ReturnPathType.RequestPagesId).Select(ScriptedLink.PageOf)];

    static bool Has(ulong[] received, int page) => (received[page >> 6] >> (page & 63) & 1) != 0;
}
