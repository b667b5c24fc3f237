using System.IO.Pipelines;
using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Journal;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Postcopy;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.EarlyEnds;

/// <summary>What nobody expects is thrown on a thread of the engine: the migration ends with InternalError, the guest is in one place, and nobody waits for ever.</summary>
public sealed class UnexpectedFailureTests
{
    public static TheoryData<string> EarlyPhases =>
    [
        .. Enum.GetValues<MigrationPhase>().Where(phase => phase is not (MigrationPhase.Iterate or MigrationPhase.DetectError or MigrationPhase.UpdateCounters or MigrationPhase.Finish))
            .Select(phase => phase.ToString()),
    ];

    [Theory]
    [MemberData(nameof(EarlyPhases))]
    public void Before_RUN_the_guest_runs_on_here(string name)
    {
        var phase = Enum.Parse<MigrationPhase>(name);
        using var rig = new SourceRig();
        rig.Start(entered => ThrowIf(entered == phase));
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source, MigrationErrorId.InternalError), End(rig));
        rig.AssertRunsHere();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_end_itself_fails_and_the_guest_is_where_it_belongs(bool isLate)
    {
        using var rig = new SourceRig();
        rig.Start(entered => ThrowIf(entered == MigrationPhase.Finish || (!isLate && entered == MigrationPhase.SaveDevices)));
        var at = isLate ? GuestLocation.Destination : GuestLocation.Source;
        Assert.Equal((MigrationStatus.Failed, at, MigrationErrorId.InternalError), End(rig));
        if (isLate) Assert.Equal(GuestState.PostMigrate, rig.Guest.State);
        else rig.AssertRunsHere();
    }

    [Theory]
    [InlineData(MigrationMode.Precopy, false)]
    [InlineData(MigrationMode.Precopy, true)]
    [InlineData(MigrationMode.Postcopy, false)]
    public void RUN_that_can_not_be_sent_is_settled_with_the_destination(MigrationMode mode, bool isGone)
    {
        using var rig = new Rig { SourceTap = (_, leaving) => ThrowIf(leaving is [(byte)RecordType.Command, _, var low, 0, 0] && low == ((int)CommandType.Run & 0xFF)), IsGoneAfterwards = isGone };
        rig.Parameters = rig.Parameters with { Mode = mode, Postcopy = mode != MigrationMode.Precopy, Verify = false };
        var result = rig.Finish();
        if (isGone)
        {
            Assert.Equal((GuestLocation.InDoubt, MigrationErrorId.HandoverInDoubt, GuestState.InDoubt), (result.Location, result.Error!.Id, rig.Guest.State));
            return;
        }
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source, MigrationErrorId.InternalError), (result.State, result.Location, result.Error!.Id));
        rig.AssertRunsOnlyHere();
    }

    [Theory]
    [InlineData(MigrationPhase.Iterate)]
    [InlineData(MigrationPhase.UpdateCounters)]
    public void In_postcopy_it_is_paused_and_goes_on(MigrationPhase phase)
    {
        using var rig = new SourceRig();
        var thrown = 0;
        rig.Start(entered => ThrowIf(entered == phase && rig.Outgoing is { Status: MigrationStatus.PostcopyActive } && thrown++ == 0));
        rig.Await(MigrationStatus.PostcopyPaused);
        Assert.Equal((GuestLocation.Destination, GuestState.FinishMigrate), (rig.Outgoing.GetState().Location, rig.Guest.State));
        rig.Outgoing.Recover(null);
        rig.FinishWell();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void In_postcopy_a_source_that_can_not_even_be_paused_tells_the_destination(bool isWhole)
    {
        using var rig = new SourceRig();
        rig.Parameters = rig.Parameters with { MaxPostcopyBandwidth = 1 };
        rig.Fake.At(PostcopyStep.Join, link =>
        {
            link.Answer(PostcopyStep.Join);
            if (!isWhole) link.Say(ReturnPathMessage.Failure(MigrationErrorId.GuestLost, "given up"));
            link.Say(ReturnPathMessage.Shut(isWhole ? 0U : 1U));
            link.WaitForEnd();
        }, link: 1);
        rig.Start(entered => ThrowIf(entered == MigrationPhase.DetectError && rig.Outgoing is { Status: MigrationStatus.PostcopyActive }));
        var (state, at, id) = End(rig);
        Assert.Equal([JoinPurpose.GivenUp], rig.Fake.Joined);
        Assert.Equal(MigrationStatus.Failed, state);
        if (isWhole) Assert.Equal((GuestLocation.Destination, MigrationErrorId.InternalError, GuestState.PostMigrate), (at, id, rig.Guest.State));
        else Assert.Equal((GuestLocation.Lost, MigrationErrorId.GuestLost, GuestState.Lost), (at, id, rig.Guest.State));
    }

    [Fact]
    public void What_the_return_path_throws_reaches_whoever_waits()
    {
        MigrationException? told = null;
        var path = new ReturnPath(new FailingReader(), "fails", e => told = e);
        Assert.True(path.WaitEnded(Patience.Limit));
        Failing.With(MigrationErrorId.InternalError, () => path.Wait(Patience.Limit, ReturnPathType.Pong));
        Failing.With(MigrationErrorId.InternalError, path.ThrowIfEnded);
        Assert.Equal(MigrationErrorId.InternalError, told!.Id);
    }

    [Fact]
    public void A_requester_that_fails_cuts_the_link_and_asks_over_the_next_one()
    {
        var (_, destination) = LocalLink.Create("first");
        var link = new IncomingLink(new TapConnection(destination, (_, _) => throw new InsufficientMemoryException("No room for requests.")));
        using var memory = new Owned(new GuestMemory(1 << 20));
        var requester = new PageRequester(link, new ArrivingRam(memory.Memory), "fails");
        try
        {
            requester.Request(memory.Memory.Ram, 3);
            Patience.Until(() => IsCut(destination), "the cut");
            requester.Pause();
            var (source, next) = LocalLink.Create("next");
            link.Replace(next);
            requester.Resume();
            requester.Request(memory.Memory.Ram, 3);
            var (_, start, length) = ReturnPathMessage.Read(new WireReader(source.Input, MigrationSide.Destination)).ReadRequest();
            Assert.Equal((3UL * GuestMemory.PageSize, GuestMemory.PageSize), (start, (int)length));
        }
        finally
        {
            requester.End();
        }
    }

    [Fact]
    public void A_page_that_can_not_be_asked_for_is_waited_for()
    {
        using var memory = new Owned(new GuestMemory(1 << 20));
        var (hasCome, woken) = (false, 0);
        var faults = new PageFaults(1, (_, _) => hasCome, (_, _) => throw new NotSupportedException("no requests"));
        Assert.True(faults.Begin(0, memory.Memory.Ram, 7, () => woken++));
        faults.RequestAgain();
        hasCome = true;
        faults.PageCame(memory.Memory.Ram, 7, 1);
        Assert.Equal(1, woken);
    }

    [Fact]
    public void An_end_without_a_last_pass_is_an_end()
    {
        var journal = new MigrationJournal();
        var error = new MigrationException(MigrationErrorId.InternalError, MigrationSide.Source, "It failed.") { Location = GuestLocation.Source };
        journal.EndWith(MigrationResult.Failed(7, "web01", "local:there", error));
        journal.EndWith(MigrationResult.Failed(7, "web01", "local:there", new MigrationException(MigrationErrorId.Timeout, MigrationSide.Source, "Too late.")));
        Assert.True(journal.Wait(TimeSpan.Zero));
        var last = Assert.Single(journal.Iterations);
        Assert.Equal((true, error, GuestLocation.Source), (last.IsFinal, last.Result!.Error, journal.Result!.Location));
    }

    static (MigrationStatus State, GuestLocation At, MigrationErrorId? Id) End(SourceRig rig)
    {
        var result = rig.Finish();
        return (result.State, result.Location, result.Error?.Id);
    }

    static void ThrowIf(bool isIt)
    {
        if (isIt) throw new NotSupportedException("Nobody expects this.");
    }

    static bool IsCut(IConnection link)
    {
        try
        {
            ReturnPathMessage.Accepted.Send(new WireWriter(link.Output));
            return false;
        }
        catch (MigrationException)
        {
            return true;
        }
    }

    sealed class Owned(GuestMemory memory) : IDisposable
    {
        public GuestMemory Memory => memory;

        public void Dispose() => memory.Release();
    }

    sealed class FailingReader : PipeReader
    {
        public override void AdvanceTo(SequencePosition consumed) => throw new NotSupportedException();

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => throw new NotSupportedException();

        public override void CancelPendingRead() => throw new NotSupportedException();

        public override void Complete(Exception? exception = null) => throw new NotSupportedException();

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException("Nobody expects this.");

        public override bool TryRead(out ReadResult result) => throw new NotSupportedException();
    }
}
