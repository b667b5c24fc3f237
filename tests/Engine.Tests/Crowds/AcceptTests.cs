using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Tests.Tls;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Crowds;

/// <summary>A receiver that is asked about each guest before it comes.</summary>
public sealed class AcceptTests
{
    [Theory]
    [InlineData("Not on a Sunday.", false)]
    [InlineData("Nobody answers.", true)]
    [InlineData("", false)]
    public void A_guest_that_is_not_accepted_stays_and_its_source_is_told_why(string reason, bool isThrown)
    {
        ArrivalRequest? asked = null;
        using var receiver = Start((request, _) =>
        {
            asked = request;
            return isThrown ? throw new InvalidOperationException(reason) : reason;
        });
        var options = TestGuests.Options(size: 4 * TestGuests.MiB);
        var guest = TestGuests.Create(options);
        var migration = Migration.Start(guest, receiver.Uri, new MigrationParameters { Channels = 2 });
        AssertRefused(migration, reason.Length > 0 ? reason : "not accepted here");
        Assert.Equal((guest.Name, guest.Uuid, options.MemorySize, 2, "none"), (asked!.Name, asked.Uuid!.Value, asked.MemorySize, asked.ProcessorCount!.Value, asked.MachineType));
        Assert.Equal((2, null), (asked.Channels, asked.TlsSubject));
        Assert.StartsWith("tcp:127.0.0.1:", asked.Peer, StringComparison.Ordinal);
        Assert.Equal(GuestState.Running, guest.State);
        Reference.AssertIntact(options, guest);
        Assert.Empty(TestGuests.On(receiver.HostName));
        Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit));
        Assert.Equal((guest.Name, MigrationErrorId.DestinationRefused), (arrival.Name, arrival.Error!.Id));
        TestGuests.RemoveAll(options.Host);
    }

    [Fact]
    public void A_reason_of_several_lines_is_one_at_the_source()
    {
        using var receiver = Start((_, _) => throw new InvalidOperationException("No such command.\r\n\tLook  at its name.\n"));
        var options = TestGuests.Options(size: 4 * TestGuests.MiB);
        AssertRefused(Migration.Start(TestGuests.Create(options), receiver.Uri, new MigrationParameters()), "No such command. Look  at its name.");
        TestGuests.RemoveAll(options.Host);
    }

    [Fact]
    public void One_that_is_accepted_comes_and_by_TLS_it_is_known_who_sends_it()
    {
        ArrivalRequest? asked = null;
        using var receiver = Start((request, _) =>
        {
            asked = request;
            return null;
        }, tls: TlsPki.Shared.Server);
        Crowd.AssertServes(receiver, TlsPki.Shared.Client);
        Assert.Equal(TlsTrust.Plain(TlsPki.Shared.Client.Certificate!.Subject), asked!.TlsSubject);
        Assert.Equal(0, asked.Channels);
    }

    [Fact]
    public void The_machine_of_a_QEMU_is_asked_about_too()
    {
        ArrivalRequest? asked = null;
        using var receiver = Start((request, _) =>
        {
            asked = request;
            return "No machines.";
        });
        using var link = Connector.Connect(receiver.Uri, Patience.Limit, default);
        var wire = new WireWriter(link.Output);
        wire.Bytes(ForeignStream.Precopy().Bytes);
        wire.Flush();
        Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit));
        Assert.Equal(MigrationErrorId.DestinationRefused, arrival.Error!.Id);
        Assert.Equal((arrival.Name, ForeignStream.Machine, ForeignStream.Blocks.Sum(block => block.Length)), (asked!.Name, asked.MachineType, asked.MemorySize));
        Assert.Equal((null, null, null), (asked.ProcessorCount, asked.Uuid, asked.Channels));
        Assert.Empty(TestGuests.On(receiver.HostName));
    }

    [Fact]
    public void An_answer_that_takes_too_long_is_a_refusal()
    {
        using var receiver = Start(Never, TimeSpan.FromMilliseconds(200));
        var options = TestGuests.Options(size: 4 * TestGuests.MiB);
        AssertRefused(Migration.Start(TestGuests.Create(options), receiver.Uri, new MigrationParameters()), "not decided within 0.2 s");
        TestGuests.RemoveAll(options.Host);
    }

    [Fact]
    public void A_receiver_that_is_stopped_waits_for_no_answer()
    {
        using var isAsked = new ManualResetEventSlim();
        var stopped = 0;
        using var receiver = Start((request, cancel) =>
        {
            isAsked.Set();
            return Never(request, cancel);
        }, stopped: () => stopped++);
        var options = TestGuests.Options(size: 4 * TestGuests.MiB);
        var guest = TestGuests.Create(options);
        var migration = Migration.Start(guest, receiver.Uri, new MigrationParameters());
        Patience.For(isAsked, "the question");
        Assert.Equal(0, stopped);
        receiver.Stop();
        receiver.Stop();
        Assert.Equal((1, 0), (stopped, receiver.ActiveCount));
        Assert.True(migration.Wait(Patience.Limit));
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source, GuestState.Running), (migration.Result!.State, migration.Result.Location, guest.State));
        TestGuests.RemoveAll(options.Host);
    }

    [Fact]
    public void Nobody_is_asked_about_a_guest_that_is_refused_anyway()
    {
        var asked = 0;
        using var receiver = Start((_, _) =>
        {
            asked++;
            return null;
        });
        var options = TestGuests.Options(size: 128 * TestGuests.MiB);
        var migration = Migration.Start(TestGuests.Create(options), receiver.Uri, new MigrationParameters());
        Assert.True(migration.Wait(Patience.Limit));
        Assert.Equal(MigrationErrorId.MemoryExceeded, migration.Result!.Error!.Id);
        Assert.Equal(0, asked);
        TestGuests.RemoveAll(options.Host);
    }

    static string? Never(ArrivalRequest request, CancellationToken cancel)
    {
        cancel.WaitHandle.WaitOne();
        throw new OperationCanceledException(cancel);
    }

    static MigrationReceiver Start(
        Func<ArrivalRequest, CancellationToken, string?> accept, TimeSpan? timeout = null, TlsOptions? tls = null, Action? stopped = null) =>
        MigrationReceiver.Start(new ReceiverOptions
        {
            HostName = TestGuests.UniqueName("there"), MaxMemory = 64 * TestGuests.MiB, Accept = accept, Stopped = stopped, Tls = tls,
            AcceptTimeout = timeout ?? TimeSpan.FromHours(1),
        });

    static void AssertRefused(Migration migration, string reason)
    {
        Assert.True(migration.Wait(Patience.Limit));
        var result = migration.Result!;
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.DestinationRefused, MigrationSide.Destination), (result.Error!.Id, result.Error.Side));
        Assert.Contains(reason, result.Error.Message, StringComparison.Ordinal);
    }
}
