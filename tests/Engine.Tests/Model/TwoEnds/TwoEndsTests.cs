using PsMigrate.Engine.Model;
using Xunit.Abstractions;

namespace PsMigrate.Engine.Tests.Model.TwoEnds;

/// <summary>
/// Source, destination and what lies between them, in every state that they can come to: messages that come late or not at all, links that
/// break at any message, processes that die, users that cancel, suspend, recover and give up. The guest never runs twice, and where it
/// runs nowhere somebody says so.
/// </summary>
public sealed class TwoEndsTests(ITestOutputHelper output)
{
    [Fact]
    public void The_guest_never_runs_twice_and_nowhere_only_where_that_is_said()
    {
        var explorer = new TwoEndsExplorer(Flaw.None);
        Assert.Null(explorer.Explore());
        output.WriteLine($"{explorer.Count} states, {explorer.Steps} steps, {explorer.Over.Count} ends");
        Assert.InRange(explorer.Count, 1000, int.MaxValue);
    }

    [Fact]
    public void All_that_can_become_of_a_guest_is_reached()
    {
        var explorer = new TwoEndsExplorer(Flaw.None);
        Assert.Null(explorer.Explore());
        Assert.Equal(
            [GuestLocation.Source, GuestLocation.Destination, GuestLocation.InDoubt, GuestLocation.Lost],
            explorer.Over.Where(state => state.Source == SourceStep.Ended).Select(state => state.Location).Distinct().Order());
        // Every step of either end, or the model would say nothing of it.
        Assert.Equal(Enum.GetValues<SourceStep>(), explorer.Reached.Select(state => state.Source).Distinct().Order());
        Assert.Equal(Enum.GetValues<DestinationStep>(), explorer.Reached.Select(state => state.Destination).Distinct().Order());
    }

    [Theory]
    [InlineData(Flaw.SourceResumesAfterRun, "The guest runs twice.")]
    [InlineData(Flaw.CancelAfterRun, "The guest runs twice.")]
    [InlineData(Flaw.RunsWithoutTheLedger, "The guest runs twice.")]
    [InlineData(Flaw.QuestionClosesNothing, "The guest runs twice.")]
    [InlineData(Flaw.RunIsInThePackage, "The guest runs twice.")]
    [InlineData(Flaw.FailureGivesItBack, "The guest runs at the source again")]
    [InlineData(Flaw.SourceForgetsItsGuest, "The guest runs nowhere, and nobody says so.")]
    [InlineData(Flaw.SourceBelievesItself, "The source says that all is sent, and pages are missing.")]
    [InlineData(Flaw.GivenUpIsLost, "The source says that the guest is Lost.")]
    [InlineData(Flaw.WaitsForNothing, "A guest of which nothing is missing is lost.")]
    [InlineData(Flaw.WaitsForRunForEver, "The destination waits for a source that is gone.")]
    [InlineData(Flaw.FailsOutOfRecovery, "A migration can't go from PostcopyRecover to Failing.")]
    [InlineData(Flaw.JoinIsUnknown, "The source says that the guest is Lost.")]
    public void A_mistake_is_found(Flaw flaw, string what)
    {
        var found = new TwoEndsExplorer(flaw).Explore();
        Assert.NotNull(found);
        output.WriteLine(found);
        Assert.StartsWith(what, found, StringComparison.Ordinal);
    }
}
