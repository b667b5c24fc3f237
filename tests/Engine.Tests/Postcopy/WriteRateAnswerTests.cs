using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Tests.Transport;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>A source asks how fast its guest writes by now, and whatever answers is a receiver, another one, or none.</summary>
public sealed class WriteRateAnswerTests
{
    static readonly Guid Migration = Guid.NewGuid();
    static readonly Guid Instance = Guid.NewGuid();
    const uint OurPong = Handshake.ExtensionPing | 0x80;

    [Fact]
    public void It_is_what_the_receiver_says()
    {
        Assert.Equal(3e6, Ask((link, _) => Tell(link, Instance, HandoverOutcome.Running, ReturnPathMessage.WriteRate(3e6)), out var asked));
        Assert.Equal((CommandType.Join, (byte)JoinPurpose.WriteRate), asked!.Value);
    }

    [Theory]
    [InlineData("stands")]
    [InlineData("another process")]
    [InlineData("unknown")]
    [InlineData("another word")]
    [InlineData("no more words")]
    [InlineData("a QEMU")]
    public void There_is_none_otherwise(string what)
    {
        Assert.Null(Ask((link, _) => Tell(
            link,
            what == "another process" ? Guid.NewGuid() : Instance,
            what == "unknown" ? HandoverOutcome.Unknown : HandoverOutcome.Running,
            what switch
            {
                "stands" => ReturnPathMessage.WriteRate(null),
                "another word" => ReturnPathMessage.Accepted,
                "no more words" => null,
                _ => ReturnPathMessage.WriteRate(3e6),
            }), out _, what == "a QEMU" ? Handshake.ExtensionPing : OurPong));
    }

    [Theory]
    [InlineData(1U)]
    [InlineData(Handshake.PostcopyVersion)]
    [InlineData(Handshake.WriteRateVersion - 1)]
    public void One_of_an_older_version_is_asked_what_it_knows(uint version)
    {
        Assert.Null(Ask((link, _) => Tell(link, Instance, HandoverOutcome.Unknown, null), out var asked, (OurPong & ~0x7FU) | version));
        Assert.Equal(CommandType.QueryOutcome, asked?.Command);
    }

    [Fact]
    public void Who_says_nothing_is_left_in_time()
    {
        Assert.Null(Ask((_, reader) => Failing.With(MigrationErrorId.ConnectionLost, () => reader.IsAtEnd()), out _, timeout: TimeSpan.FromSeconds(0.2)));
    }

    static void Tell(WireWriter link, Guid instance, HandoverOutcome outcome, ReturnPathMessage? more)
    {
        ReturnPathMessage.Outcome(instance, (byte)outcome).Send(link);
        more?.Send(link);
    }

    /// <summary>The command and its last byte, of JOIN the purpose, null for no command; the receiver answers the ping and then as is said.</summary>
    static double? Ask(Action<WireWriter, WireReader> answer, out (CommandType Command, byte Last)? asked, uint pong = OurPong, TimeSpan? timeout = null)
    {
        var (near, far) = Links.Open("tcp4");
        var receiver = Links.Run<(CommandType, byte)?>(() =>
        {
            using var _ = far;
            var (reader, link) = (new WireReader(far.Input, MigrationSide.Source), new WireWriter(far.Output));
            StreamHeader.ReadMagic(reader);
            ConfigurationRecord.Read(reader);
            Next(reader);
            Next(reader);
            ReturnPathMessage.Pong(pong).Send(link);
            var found = reader.IsAtEnd() ? default((CommandType, byte)?) : Next(reader);
            answer(link, reader);
            return found;
        });
        var rate = Settlement.AskWriteRate(_ => near, Migration, Instance, timeout ?? Patience.Limit);
        asked = Links.Await(receiver);
        return rate;
    }

    static (CommandType Command, byte Last) Next(WireReader reader)
    {
        Assert.Equal((byte)RecordType.Command, reader.Byte());
        var command = CommandRecord.Read(reader, out var length);
        var bytes = reader.Bytes(length);
        return (command, bytes.Length > 0 ? bytes[^1] : default);
    }
}
