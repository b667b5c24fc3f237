using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.EarlyEnds;

/// <summary>A destination that fails, refuses, talks nonsense or says nothing, at each step of the protocol.</summary>
public sealed class ScriptedDestinationTests
{
    static readonly FakeStep[] BeforeRun = [.. Enum.GetValues<FakeStep>().Where(step => step != FakeStep.Run)];
    static readonly FakeStep[] Awaited = [FakeStep.FirstPing, FakeStep.ExtensionPing, FakeStep.Announcement, FakeStep.Description];

    public static TheoryData<string, string> Failures
    {
        get
        {
            var failures = new TheoryData<string, string>();
            foreach (var step in BeforeRun)
                foreach (var manner in new[] { "close", "cut", "refuse", "shut", "nonsense", "too long" })
                    failures.Add(step.ToString(), manner);
            foreach (var step in Awaited) failures.Add(step.ToString(), "silence");
            return failures;
        }
    }

    [Theory]
    [MemberData(nameof(Failures))]
    public void Before_RUN_the_guest_runs_on_here_and_the_reason_is_told(string stepName, string manner)
    {
        var step = Enum.Parse<FakeStep>(stepName);
        using var rig = new Rig();
        if (manner == "silence") rig.Parameters = rig.Parameters with { AnswerTimeout = TimeSpan.FromSeconds(1) };
        using var fake = new FakeDestination();
        Misbehave(fake, step, manner);
        var result = Migrate(rig, fake);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal(Expected(manner), (result.Error!.Id, result.Error.Side));
        Assert.Equal(GuestLocation.Source, result.Error.Location);
        AssertPhase(step, result.Error.Phase!.Value);
        if (manner == "refuse") Assert.Contains("no room for you", result.Error.Message, StringComparison.Ordinal);
        rig.AssertRunsOnlyHere();
    }

    [Theory]
    [InlineData("close")]
    [InlineData("cut")]
    [InlineData("shut")]
    [InlineData("nonsense")]
    [InlineData("silence")]
    public void After_RUN_the_guest_is_in_doubt(string manner)
    {
        using var rig = new Rig();
        if (manner == "silence") rig.Parameters = rig.Parameters with { AnswerTimeout = TimeSpan.FromSeconds(1) };
        using var fake = new FakeDestination();
        Misbehave(fake, FakeStep.Run, manner);
        var result = Migrate(rig, fake);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.InDoubt), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.HandoverInDoubt, MigrationSide.Link), (result.Error!.Id, result.Error.Side));
        Assert.Equal(Engine.Guests.GuestState.InDoubt, rig.Guest.State);
        Assert.Equal(rig.Guest.Digest(), fake.Digest);
        Assert.True(fake.Connections > 1, "The source did not try to meet the destination again.");
        Reference.AssertIntact(rig.Options, rig.Guest);
    }

    [Fact]
    public void A_reason_after_RUN_says_that_it_does_not_run_there()
    {
        using var rig = new Rig();
        using var fake = new FakeDestination();
        Misbehave(fake, FakeStep.Run, "refuse");
        var result = Migrate(rig, fake);
        Assert.Equal((MigrationErrorId.DestinationRefused, MigrationSide.Destination), (result.Error!.Id, result.Error.Side));
        Assert.Equal(GuestLocation.Source, result.Location);
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void READY_without_the_digest_that_was_asked_for_is_a_mismatch()
    {
        using var rig = new Rig();
        using var fake = new FakeDestination().At(FakeStep.Description, one => ReturnPathMessage.Ready(Guid.NewGuid(), null).Send(one.Back));
        Assert.Equal(MigrationErrorId.VerifyMismatch, Migrate(rig, fake).Error!.Id);
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void The_stream_of_a_source_is_whole_and_in_order()
    {
        using var rig = new Rig();
        using var fake = new FakeDestination();
        var result = Migrate(rig, fake);
        Assert.True(result.Verified, result.ToString());
        Assert.Equal(Enum.GetValues<FakeStep>(), fake.Seen.Distinct());
        Assert.Equal(
            ["psmigrate/guest", "ram", "psmigrate/cpu", "psmigrate/cpu", "psmigrate/timer", "psmigrate/counter", "globalstate"], fake.Sections);
        Assert.True(fake.WantsToRun);
        Assert.Equal((rig.Options.Name, rig.Guest.Uuid, rig.Options.MemorySize, 2),
            (fake.Announcement!.Name, fake.Announcement.Uuid, fake.Announcement.MemorySize, fake.Announcement.ProcessorCount));
    }

    internal static MigrationResult Migrate(Rig rig, FakeDestination fake)
    {
        var outgoing = new OutgoingMigration(0, rig.Guest, "fake", rig.Parameters, fake.Connect);
        outgoing.Start();
        Assert.True(outgoing.Wait(Patience.Limit), $"The source hangs in {outgoing.GetState().Phase}.");
        fake.Join();
        Assert.False(rig.Guest.IsBusy);
        return outgoing.Result!;
    }

    static void Misbehave(FakeDestination fake, FakeStep step, string manner)
    {
        if (manner == "close") fake.CloseAt(step);
        if (manner == "cut") fake.CutAt(step);
        if (manner == "silence") fake.SilentAt(step);
        if (manner == "refuse")
            Say(fake, step, ReturnPathMessage.Failure(MigrationErrorId.DestinationRefused, "no room for you"), ReturnPathMessage.Shut(1));
        if (manner == "shut") Say(fake, step, ReturnPathMessage.Shut(1));
        if (manner == "nonsense") Say(fake, step, new ReturnPathMessage((ReturnPathType)0x1234, []));
        if (manner == "too long") Say(fake, step, new ReturnPathMessage(ReturnPathType.Pong, new byte[400]));
    }

    static void Say(FakeDestination fake, FakeStep step, params ReturnPathMessage[] messages) => fake.At(step, one =>
    {
        foreach (var message in messages) message.Send(one.Back);
        one.WaitForEnd();
    });

    static (MigrationErrorId, MigrationSide) Expected(string manner) => manner switch
    {
        "close" or "cut" => (MigrationErrorId.ConnectionLost, MigrationSide.Link),
        "silence" => (MigrationErrorId.PeerSilent, MigrationSide.Link),
        "refuse" => (MigrationErrorId.DestinationRefused, MigrationSide.Destination),
        "shut" => (MigrationErrorId.DestinationFailed, MigrationSide.Destination),
        "nonsense" => (MigrationErrorId.UnknownRecord, MigrationSide.Destination),
        _ => (MigrationErrorId.InvalidLength, MigrationSide.Destination),
    };

    /// <summary>Where the source waits for the answer, the phase is that one; elsewhere it is where it noticed.</summary>
    static void AssertPhase(FakeStep step, MigrationPhase phase)
    {
        if (step is FakeStep.FirstPing or FakeStep.ExtensionPing) Assert.Equal(MigrationPhase.Ping, phase);
        else if (step == FakeStep.Announcement) Assert.Equal(MigrationPhase.Setup, phase);
        else if (step == FakeStep.Description) Assert.Equal(MigrationPhase.Completion, phase);
        else if (step != FakeStep.Connected) Assert.InRange(phase, MigrationPhase.Setup, MigrationPhase.UpdateCounters);
    }
}
