using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.EarlyEnds;

/// <summary>Over real sockets: what a receiver does not take, and why, reaches the source; a guest is never lost by it.</summary>
public sealed class RefusalTests
{
    static readonly MigrationParameters Verified = new() { Verify = true };

    public static TheoryData<string> Ways => ["tcp", "unix"];

    static ReceiverOptions Options(string way, string? host = null) => new()
    {
        HostName = host ?? TestGuests.UniqueName("there"),
        Uri = MigrationUri.Parse(way == "tcp" ? "tcp:127.0.0.1:0" : $"unix:{Path.Combine(Path.GetTempPath(), $"{TestGuests.UniqueName("psm")}-{Environment.ProcessId}")}"),
    };

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_guest_larger_than_the_receiver_takes(string way) =>
        AssertRefused(Options(way) with { MaxMemory = 8 * TestGuests.MiB }, MigrationErrorId.MemoryExceeded, "larger");

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_name_that_the_receiver_does_not_take(string way) =>
        AssertRefused(Options(way) with { AllowedName = ["web*"] }, MigrationErrorId.DestinationRefused, "not accepted");

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_name_that_is_taken_there(string way)
    {
        var options = Options(way);
        AssertRefused(options, MigrationErrorId.DuplicateGuestName, "already", name =>
            GuestRegistry.Create(TestGuests.Options(GuestWorkload.Idle, host: options.HostName) with { Name = name }));
    }

    static void AssertRefused(ReceiverOptions receiverOptions, MigrationErrorId expected, string reason, Action<string>? prepare = null)
    {
        var options = TestGuests.Options();
        var guest = TestGuests.Create(options);
        prepare?.Invoke(guest.Name);
        using var receiver = MigrationReceiver.Start(receiverOptions);
        // Often: a reason that a reset overtakes is lost only now and then.
        for (var round = 1; round <= 20; round++)
        {
            var result = Run(guest, receiver.Uri);
            Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
            Assert.Equal((expected, MigrationSide.Destination), (result.Error!.Id, result.Error.Side));
            Assert.Equal((MigrationPhase.Setup, GuestLocation.Source), (result.Error.Phase!.Value, result.Error.Location!.Value));
            Assert.Contains(reason, result.Error.Message, StringComparison.Ordinal);
            Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit));
            Assert.Equal((MigrationStatus.Failed, expected), (arrival.State, arrival.Error!.Id));
            Assert.Equal(guest.Name, arrival.Name);
            Assert.Equal(round, receiver.FailedCount);
        }
        Reference.AssertIntact(options, guest);
        TestGuests.RemoveAll(options.Host, receiverOptions.HostName);
    }

    [Fact]
    public void A_name_that_is_taken_while_the_guest_is_on_its_way_sends_it_back()
    {
        using var rig = new Rig();
        rig.PhaseEntered = phase =>
        {
            if (phase == MigrationPhase.SaveDevices)
                GuestRegistry.Create(TestGuests.Options(GuestWorkload.Idle, host: rig.Policy.HostName) with { Name = rig.Options.Name });
        };
        var result = rig.Finish();
        Assert.Equal((MigrationErrorId.DuplicateGuestName, GuestLocation.Source), (result.Error!.Id, result.Location));
        GuestRegistry.Remove(rig.Arrived!);
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void Nobody_listens()
    {
        var options = TestGuests.Options();
        var guest = TestGuests.Create(options);
        MigrationUri uri;
        using (var receiver = MigrationReceiver.Start(Options("tcp"))) uri = receiver.Uri;
        var result = Run(guest, uri);
        Assert.Equal((MigrationErrorId.ConnectionRefused, MigrationSide.Link), (result.Error!.Id, result.Error.Side));
        Assert.Equal((MigrationPhase.Connect, GuestLocation.Source), (result.Error.Phase!.Value, result.Location));
        Assert.True(result.Error.IsRetryable);
        Assert.Equal(0, result.TransferredBytes);
        Reference.AssertIntact(options, guest);
        TestGuests.RemoveAll(options.Host);
    }

    [Fact]
    public void The_same_guest_twice_is_refused_and_the_first_goes_on()
    {
        using var rig = new Rig();
        rig.Parameters = rig.Parameters with { PauseBeforeSwitchover = true };
        rig.Start();
        for (var i = 0; i < 5; i++)
        {
            var error = Assert.Throws<MigrationException>(() => Migration.Start(rig.Guest, MigrationUri.Parse("local:elsewhere"), Verified));
            Assert.Equal((MigrationErrorId.GuestBusy, MigrationSide.User), (error.Id, error.Side));
            Assert.DoesNotContain(MigrationRegistry.All, migration => migration.Guest == rig.Guest);
        }
        rig.Outgoing!.Complete();
        Assert.True(rig.Finish().Verified);
        rig.AssertRunsOnlyThere();
    }

    [Theory]
    [InlineData("file:/nowhere/guest")]
    [InlineData("exec:cat")]
    public void What_has_no_way_back_verifies_nothing(string uri)
    {
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Idle));
        Assert.Equal(MigrationErrorId.InvalidParameter,
            Assert.Throws<MigrationException>(() => Migration.Start(rig.Guest, MigrationUri.Parse(uri), Verified)).Id);
        Assert.False(rig.Guest.IsBusy);
    }

    [Fact]
    public void A_guest_that_is_gone_is_not_found()
    {
        var guest = TestGuests.Create(TestGuests.Options(GuestWorkload.Idle));
        GuestRegistry.Remove(guest);
        Assert.Equal(MigrationErrorId.GuestNotFound,
            Assert.Throws<MigrationException>(() => Migration.Start(guest, MigrationUri.Parse("local:there"), Verified)).Id);
    }

    static MigrationResult Run(MemoryGuest guest, MigrationUri uri)
    {
        var migration = Migration.Start(guest, uri, Verified);
        Assert.True(migration.Wait(Patience.Limit));
        return migration.Result!;
    }
}
