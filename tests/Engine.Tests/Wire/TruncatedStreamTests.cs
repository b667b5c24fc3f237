using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>A stream that ends early, wherever that is, leaves nothing behind.</summary>
public sealed class TruncatedStreamTests
{
    [Fact]
    public void Cut_at_each_record_boundary_it_fails_and_leaves_no_guest()
    {
        var stream = RecordedStream.Ours();
        Assert.True(stream.Boundaries.Count > 240);
        Assert.Equal(stream.Bytes.Length, stream.Boundaries[^1]);
        foreach (var end in stream.Boundaries.SkipLast(1)) AssertFails(stream.Bytes.AsMemory(0, (int)end));
    }

    [Fact]
    public void Cut_inside_each_record_it_fails_and_leaves_no_guest()
    {
        var stream = RecordedStream.Ours();
        var random = new Random(7);
        foreach (var (start, end) in stream.Boundaries.Zip(stream.Boundaries.Skip(1)))
            if (end - start > 1) AssertFails(stream.Bytes.AsMemory(0, (int)random.NextInt64(start + 1, end)));
    }

    [Fact]
    public void Cut_inside_the_state_it_fails_at_each_single_byte()
    {
        var stream = RecordedStream.Ours();
        // All after the last page: vCPUs, devices, run state, end, description, RUN.
        var first = stream.Boundaries.Last(offset => stream.Bytes.Length - offset > 1000);
        for (var end = (int)first; end < stream.Bytes.Length; end++) AssertFails(stream.Bytes.AsMemory(0, end));
    }

    [Fact]
    public void A_foreign_stream_may_end_after_its_EOF_but_not_before()
    {
        var stream = RecordedStream.Foreign();
        var eof = stream.Boundaries[^2];
        AssertFails(stream.Bytes.AsMemory(0, (int)eof - 1));
        AssertFails(stream.Bytes.AsMemory(0, stream.Bytes.Length - 1));
        var policy = Incoming.Policy();
        var (migration, _) = Incoming.Run(stream.Bytes.AsMemory(0, (int)eof), policy);
        Assert.Equal(MigrationStatus.Completed, migration.Status);
        Assert.Equal(stream.Digest, migration.Guest!.Digest());
        TestGuests.RemoveAll(policy.HostName);
    }

    static void AssertFails(ReadOnlyMemory<byte> bytes)
    {
        var policy = Incoming.Policy();
        var (migration, link) = Incoming.Run(bytes, policy);
        Assert.Equal(MigrationStatus.Failed, migration.Status);
        Assert.Equal(MigrationErrorId.UnexpectedEnd, migration.Error!.Id);
        Assert.Equal(MigrationSide.Source, migration.Error.Side);
        Assert.InRange(migration.Error.StreamOffset!.Value, 0, bytes.Length);
        Assert.Null(migration.Guest);
        Assert.Empty(TestGuests.On(policy.HostName));
        Assert.True(link.IsDisposed);
    }
}
