using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>What a receiver makes of whole valid streams; the yardstick for all that is cut or bent elsewhere.</summary>
public sealed class RecordedStreamTests
{
    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(5000)]
    [InlineData(1)]
    public void A_whole_stream_brings_the_guest_however_it_is_cut_into_reads(int chunk)
    {
        var stream = RecordedStream.Ours(verify: true);
        var policy = Incoming.Policy() with { StartSuspended = true };
        var (migration, link) = Incoming.Run(stream.Bytes, policy, chunk);
        try
        {
            Assert.Null(migration.Error);
            Assert.Equal(MigrationStatus.Completed, migration.Status);
            var guest = Assert.Single(TestGuests.On(policy.HostName));
            Assert.Same(guest, migration.Guest);
            Assert.Equal(stream.GuestName, guest.Name);
            Assert.Equal(stream.Digest, guest.Digest());
            Assert.Equal(stream.Ticks, guest.Ticks);
            Assert.Equal(1, guest.MigrationCount);
            Assert.True(link.IsDisposed);
        }
        finally
        {
            TestGuests.RemoveAll(policy.HostName);
        }
    }

    [Fact]
    public void The_answers_come_in_the_order_of_the_protocol_and_READY_holds_the_digest()
    {
        var stream = RecordedStream.Ours(verify: true);
        var policy = Incoming.Policy();
        var answers = Incoming.Run(stream.Bytes, policy).Link.Answers();
        TestGuests.RemoveAll(policy.HostName);
        Assert.Equal(
            [ReturnPathType.Pong, ReturnPathType.Pong, ReturnPathType.Accepted, ReturnPathType.Ready, ReturnPathType.Running, ReturnPathType.Shut],
            answers.Select(answer => answer.Type));
        Assert.Equal(Handshake.FirstPing, answers[0].Value);
        Assert.Equal(0x50534D87u, answers[1].Value);
        Assert.Equal(48, answers[3].Payload.Length);
        Assert.Equal(stream.Digest, Convert.ToHexStringLower(answers[3].Payload.AsSpan(16, 16)));
        Assert.Equal(0u, answers[5].Value);
    }

    [Fact]
    public void A_guest_that_ran_runs_on_from_its_exact_tick()
    {
        var stream = RecordedStream.Ours();
        var policy = Incoming.Policy();
        Incoming.Run(stream.Bytes, policy);
        try
        {
            var guest = Assert.Single(TestGuests.On(policy.HostName));
            Assert.Equal(GuestState.Running, guest.State);
            // Where it was told to stand still it stands here too, until it is told otherwise.
            Assert.Equal(stream.Ticks, guest.Ticks);
            guest.StopAtTick(null);
            TestGuests.WaitForTick(guest, stream.Ticks[0] + 1000);
        }
        finally
        {
            TestGuests.RemoveAll(policy.HostName);
        }
    }

    [Fact]
    public void Memory_of_a_foreign_machine_arrives_as_a_suspended_guest_without_vCPUs()
    {
        var stream = RecordedStream.Foreign();
        var policy = Incoming.Policy();
        var (migration, link) = Incoming.Run(stream.Bytes, policy);
        try
        {
            Assert.Null(migration.Error);
            var guest = Assert.Single(TestGuests.On(policy.HostName));
            Assert.Equal(stream.Digest, guest.Digest());
            Assert.Equal(0, guest.ProcessorCount);
            Assert.Equal(GuestState.Suspended, guest.State);
            Assert.Equal([ReturnPathType.Pong, ReturnPathType.Shut], link.Answers().Select(answer => answer.Type));
        }
        finally
        {
            TestGuests.RemoveAll(policy.HostName);
        }
    }
}
