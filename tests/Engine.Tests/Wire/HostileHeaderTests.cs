using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>Header, configuration and commands that a receiver must refuse, each with its own reason.</summary>
public sealed class HostileHeaderTests
{
    [Fact]
    public void Not_a_stream() => Refused.Raw(MigrationErrorId.BadMagic, "GET / HTTP/1.1\r\n\r\n"u8);

    [Fact]
    public void Obsolete_version() => Refused.Raw(MigrationErrorId.UnsupportedVersion, [0x51, 0x45, 0x56, 0x4D, 0, 0, 0, 2]);

    [Fact]
    public void No_configuration() => Refused.After(StreamStep.Magic, MigrationErrorId.OutOfOrder, wire => wire.Byte((byte)RecordType.Eof));

    [Theory]
    [InlineData("pc-i440fx-7.2")]
    [InlineData("none2")]
    [InlineData("NONE")]
    public void A_guest_of_ours_on_another_machine(string machine)
    {
        var guest = RecordedStream.SmallGuest(64 << 10);
        var bytes = new BytesWriter();
        var stream = new StreamBuilder(guest, bytes, Guid.NewGuid()).UpTo(StreamStep.Magic);
        stream.Configuration(machine);
        stream.Without(StreamStep.Configuration).UpTo(StreamStep.Announcement);
        guest.Remove();
        var (migration, _) = Incoming.Run(bytes.Written);
        Assert.Equal(MigrationErrorId.WrongMachine, migration.Error!.Id);
    }

    [Theory]
    [InlineData("")]
    [InlineData("no")]
    [InlineData("none")]
    [InlineData("pc-i440fx-7.2")]
    public void Any_machine_is_welcome(string machine) =>
        Refused.After(StreamStep.Magic, MigrationErrorId.UnexpectedEnd, wire => Machine(wire, machine));

    [Theory]
    [InlineData(256u)]
    [InlineData(0x7FFFFFFFu)]
    [InlineData(0xFFFFFFFFu)]
    public void Oversized_machine_name(uint length) => Refused.After(StreamStep.Magic, MigrationErrorId.InvalidLength, wire =>
    {
        wire.Byte((byte)RecordType.Configuration);
        wire.UInt32(length);
        wire.Bytes(new byte[300]);
    });

    [Theory]
    [InlineData("configuration/nonsense", 1u, MigrationErrorId.UnknownSection)]
    [InlineData("configuration/uuid", 2u, MigrationErrorId.UnknownSection)]
    [InlineData("configuration/target-page-bits", 1u, MigrationErrorId.InvalidValue)]
    [InlineData("configuration/capabilities", 1u, MigrationErrorId.UnsupportedFeature)]
    public void Configuration_subsections_that_can_not_be_met(string name, uint version, MigrationErrorId expected) =>
        Refused.After(StreamStep.Configuration, expected, wire =>
        {
            wire.Byte((byte)RecordType.Subsection);
            wire.Name(name);
            wire.UInt32(version);
            // Page bits, or a count of capabilities and one of them.
            wire.UInt32(1);
            wire.Name("x-ignore-shared");
        });

    [Fact]
    public void Configuration_subsections_that_QEMU_sends_are_read() => Refused.After(StreamStep.Configuration, MigrationErrorId.UnexpectedEnd, wire =>
    {
        wire.Byte((byte)RecordType.Subsection);
        wire.Name("configuration/target-page-bits");
        wire.UInt32(1);
        wire.UInt32(12);
        wire.Byte((byte)RecordType.Subsection);
        wire.Name("configuration/uuid");
        wire.UInt32(1);
        wire.Bytes(new byte[16]);
    });

    [Theory]
    [InlineData(0x05)]
    [InlineData(0x09)]
    [InlineData(0x06)]
    [InlineData(0x7E)]
    [InlineData(0xFF)]
    public void Unknown_record(byte type) => Refused.After(StreamStep.ReturnPath, MigrationErrorId.UnknownRecord, wire => wire.Byte(type));

    [Theory]
    [InlineData((ushort)0)]
    [InlineData((ushort)12)]
    [InlineData((ushort)0x5004)]
    [InlineData((ushort)0xFFFF)]
    public void Unknown_command(ushort command) => Refused.After(StreamStep.ReturnPath, MigrationErrorId.UnknownRecord, wire => Command(wire, command, 0));

    [Theory]
    [InlineData(CommandType.EnableColo, 0)]
    [InlineData(CommandType.PostcopyAdvise, 0)]
    public void Commands_of_features_that_are_not_there(object command, int length) =>
        Refused.After(StreamStep.ReturnPath, MigrationErrorId.UnsupportedFeature, wire => Command(wire, (ushort)(CommandType)command, length));

    [Theory]
    [InlineData(CommandType.PostcopyListen, 0)]
    [InlineData(CommandType.PostcopyRun, 0)]
    [InlineData(CommandType.PostcopyRamDiscard, 24)]
    [InlineData(CommandType.Packaged, 4)]
    [InlineData(CommandType.PostcopyResume, 0)]
    [InlineData(CommandType.ReceiveBitmap, 4)]
    public void Postcopy_that_nobody_advised_of(object command, int length) =>
        Refused.After(StreamStep.ReturnPath, MigrationErrorId.OutOfOrder, wire => Command(wire, (ushort)(CommandType)command, length));

    [Theory]
    [InlineData(CommandType.OpenReturnPath, 1)]
    [InlineData(CommandType.Ping, 3)]
    [InlineData(CommandType.Ping, 0xFFFF)]
    [InlineData(CommandType.SwitchoverStart, 4)]
    [InlineData(CommandType.Run, 1)]
    [InlineData(CommandType.QueryOutcome, 15)]
    [InlineData(CommandType.PostcopyAdvise, 15)]
    [InlineData(CommandType.PostcopyListen, 1)]
    [InlineData(CommandType.PostcopyRun, 1)]
    [InlineData(CommandType.PostcopyRamDiscard, 19)]
    [InlineData(CommandType.Packaged, 5)]
    [InlineData(CommandType.PostcopyResume, 1)]
    [InlineData(CommandType.ReceiveBitmap, 257)]
    public void Commands_of_a_wrong_length(object command, int length) =>
        Refused.After(StreamStep.ExtensionPing, MigrationErrorId.InvalidLength, wire => Command(wire, (ushort)(CommandType)command, length));

    [Fact]
    public void Ping_without_a_return_path() =>
        Refused.After(StreamStep.Configuration, MigrationErrorId.OutOfOrder, wire => CommandRecord.WritePing(wire, 1));

    [Theory]
    [InlineData(StreamStep.ExtensionPing)]
    [InlineData(StreamStep.Announcement)]
    [InlineData(StreamStep.RamEnd)]
    public void RUN_before_READY(object step) =>
        Refused.After((StreamStep)step, MigrationErrorId.OutOfOrder, wire => CommandRecord.Write(wire, CommandType.Run));

    [Fact]
    public void A_question_that_comes_after_a_guest() =>
        Refused.After(StreamStep.Announcement, MigrationErrorId.OutOfOrder, wire => CommandRecord.Write(wire, CommandType.QueryOutcome, new byte[16]));

    [Fact]
    public void Anything_but_RUN_after_the_description() =>
        Refused.After(StreamStep.Description, MigrationErrorId.OutOfOrder, wire => CommandRecord.WritePing(wire, 1));

    static void Machine(WireWriter wire, string name)
    {
        wire.Byte((byte)RecordType.Configuration);
        wire.UInt32((uint)name.Length);
        wire.Bytes(System.Text.Encoding.ASCII.GetBytes(name));
    }

    static void Command(WireWriter wire, ushort command, int length)
    {
        wire.Byte((byte)RecordType.Command);
        wire.UInt16(command);
        wire.UInt16((ushort)length);
        wire.Bytes(new byte[Math.Min(length, 64)]);
    }
}
