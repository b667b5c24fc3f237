using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>Asserts that a receiver refuses a stream for one reason, says so to its source, and keeps nothing.</summary>
static class Refused
{
    public static void Raw(MigrationErrorId expected, ReadOnlySpan<byte> stream) => Check(expected, stream.ToArray(), null);

    /// <summary>A valid stream up to and with one part, then what must be refused.</summary>
    public static void After(StreamStep last, MigrationErrorId expected, Action<WireWriter> then) =>
        Check(expected, RecordedStream.Upto(last, then), last);

    static void Check(MigrationErrorId expected, byte[] stream, StreamStep? last)
    {
        var policy = Incoming.Policy();
        var (migration, link) = Incoming.Run(stream, policy);
        Assert.Equal(MigrationStatus.Failed, migration.Status);
        Assert.Equal(expected, migration.Error!.Id);
        Assert.Equal(MigrationSide.Source, migration.Error.Side);
        Assert.InRange(migration.Error.StreamOffset!.Value, 0, stream.Length);
        Assert.Empty(TestGuests.On(policy.HostName));
        Assert.True(link.IsDisposed);
        CheckAnswers(expected, link.Answers(), last);
    }

    static void CheckAnswers(MigrationErrorId expected, IReadOnlyList<ReturnPathMessage> answers, StreamStep? last)
    {
        if (last is null or < StreamStep.ReturnPath)
        {
            Assert.Empty(answers);
            return;
        }
        Assert.Equal(ReturnPathType.Shut, answers[^1].Type);
        Assert.Equal(1u, answers[^1].Value);
        Assert.DoesNotContain(answers, answer => answer.Type == ReturnPathType.Running);
        // Before the second ping the source may be a QEMU, which knows no FAILURE.
        if (last < StreamStep.ExtensionPing) Assert.DoesNotContain(answers, answer => answer.Type == ReturnPathType.Failure);
        else Assert.Equal(expected, Assert.Single(answers, answer => answer.Type == ReturnPathType.Failure).ReadFailure().Id);
    }
}
