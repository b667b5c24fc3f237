using System.Text;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Tests.Streams;

/// <summary>Descriptions and tails that lie: typed errors, and no more work than their bytes are worth.</summary>
public sealed class HostileDescriptionTests
{
    [Theory]
    [InlineData("", MigrationErrorId.InvalidValue)]
    [InlineData("[]", MigrationErrorId.InvalidValue)]
    [InlineData("{", MigrationErrorId.InvalidValue)]
    [InlineData("{}", MigrationErrorId.InvalidValue)]
    [InlineData("{\"devices\":{}}", MigrationErrorId.InvalidValue)]
    [InlineData("{\"devices\":[1]}", MigrationErrorId.InvalidValue)]
    [InlineData("{\"devices\":[{}]}", MigrationErrorId.InvalidValue)]
    [InlineData("{\"devices\":[]} x", MigrationErrorId.InvalidValue)]
    [InlineData("{\"devices\":[]} {}", MigrationErrorId.InvalidValue)]
    [InlineData("{\"devices\":[{\"name\":\"a\"}]}", MigrationErrorId.InvalidValue)]
    [InlineData("{\"devices\":[{\"name\":1,\"fields\":[]}]}", MigrationErrorId.InvalidValue)]
    [InlineData("{\"devices\":[{\"name\":\"a\",\"instance_id\":-1,\"fields\":[]}]}", MigrationErrorId.InvalidValue)]
    [InlineData("{\"devices\":[{\"name\":\"a\",\"fields\":[],\"subsections\":[{\"fields\":[]}]}]}", MigrationErrorId.InvalidValue)]
    [InlineData("{\"devices\":[{\"name\":\"\\ud800\",\"fields\":[]}]}", MigrationErrorId.InvalidValue)]
    public void A_description_that_can_not_be_is_refused(string json, MigrationErrorId expected) =>
        Assert.Equal(expected, Assert.Throws<MigrationException>(() => DescribedMachine.Parse(Encoding.UTF8.GetBytes(json))).Id);

    [Theory]
    [InlineData("", MigrationErrorId.InvalidValue)]
    [InlineData("\"size\":-1", MigrationErrorId.InvalidValue)]
    [InlineData("\"size\":1e3", MigrationErrorId.InvalidValue)]
    [InlineData("\"size\":9223372036854775807", MigrationErrorId.InvalidValue)]
    [InlineData("\"size\":1073741824,\"array_len\":1073741824", MigrationErrorId.InvalidLength)]
    [InlineData("\"size\":1,\"struct\":{}", MigrationErrorId.InvalidValue)]
    [InlineData("\"size\":1,\"index\":-1", MigrationErrorId.InvalidValue)]
    public void A_field_that_can_not_be_is_refused(string rest, MigrationErrorId expected) =>
        A_description_that_can_not_be_is_refused(
            Device($"{{{rest}{(rest.Length > 0 ? "," : "")}\"name\":\"f\",\"type\":\"t\"}}"), expected);

    static string Device(string fields) => $"{{\"devices\":[{{\"name\":\"a\",\"vmsd_name\":\"a\",\"fields\":[{fields}]}}]}}";

    [Fact]
    public void Sums_of_sizes_do_not_overflow()
    {
        var field = "{\"name\":\"f\",\"type\":\"t\",\"size\":1073741824}";
        var json = Device(string.Join(',', Enumerable.Repeat(field, 20000)));
        var error = Assert.Throws<MigrationException>(() => DescribedMachine.Parse(Encoding.UTF8.GetBytes(json)));
        Assert.Equal(MigrationErrorId.InvalidLength, error.Id);
    }

    [Fact]
    public void Depth_and_number_of_entries_are_bounded()
    {
        var deep = string.Concat(Enumerable.Repeat("{\"name\":\"f\",\"type\":\"struct\",\"size\":1,\"struct\":{\"fields\":[", 5000));
        var wide = string.Concat(Enumerable.Repeat("{\"name\":\"\",\"type\":\"\",\"size\":0},", 300000));
        foreach (var fields in new[] { deep, wide })
        {
            var error = Assert.Throws<MigrationException>(() =>
                DescribedMachine.Parse(Encoding.UTF8.GetBytes($"{{\"devices\":[{{\"name\":\"a\",\"fields\":[{fields}")));
            Assert.Equal(MigrationErrorId.InvalidValue, error.Id);
        }
        var tooLong = new byte[DescriptionParser.MaxLength + 1];
        Assert.Equal(MigrationErrorId.InvalidLength, Assert.Throws<MigrationException>(() => DescribedMachine.Parse(tooLong)).Id);
    }

    [Fact]
    public void Few_bytes_are_not_made_into_millions_of_values()
    {
        var empty = string.Join(',', Enumerable.Repeat("{\"name\":\"e\",\"type\":\"t\",\"size\":0}", 1000));
        var structure = $"{{\"vmsd_name\":\"s\",\"fields\":[{{\"name\":\"b\",\"type\":\"uint8\",\"size\":1}},{empty}]}}";
        var json = Device($"{{\"name\":\"s\",\"array_len\":1000000,\"type\":\"struct\",\"size\":1,\"struct\":{structure}}}");
        var device = DescribedMachine.Parse(Encoding.UTF8.GetBytes(json)).Devices[0];
        var error = Assert.Throws<MigrationException>(() => FieldDecoder.Decode(new DeviceRecord(1, "a", 0, 1, new byte[1000000]), device));
        Assert.Equal(MigrationErrorId.InvalidLength, error.Id);
    }

    [Fact]
    public void A_tail_without_an_end_is_held_up_to_the_limit()
    {
        var tail = new DeviceTail(maxBytes: 1 << 20);
        var rubbish = new byte[100000];
        new Random(1).NextBytes(rubbish);
        for (var i = 0; i < 10; i++) Assert.Equal(rubbish.Length, tail.Append(rubbish));
        Assert.Equal(MigrationErrorId.InvalidLength, Assert.Throws<MigrationException>(() => tail.Append(rubbish)).Id);
        Assert.False(tail.TryEndWithoutDescription());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Places_that_look_like_the_end_are_tried_a_few_times_only(bool isClosed)
    {
        // Each claims that the text goes on to the same last byte, or to one of its own.
        byte[] place = [0x7E, 0, 0, 0, 1, 0, 6, 0, 0, 0, 3, (byte)'{', (byte)'"', (byte)'}'];
        if (!isClosed) place = [0x7E, 0, 0, 0, 1, 0, 6, 0, 8, 0, 0, (byte)'{', (byte)'"', (byte)'}'];
        var tail = new DeviceTail();
        var error = Assert.Throws<MigrationException>(() =>
        {
            for (var i = 0; i < 1000000; i++) tail.Append(place);
        });
        Assert.Equal(MigrationErrorId.InvalidValue, error.Id);
        Assert.True(tail.Length < 1 << 20, $"{tail.Length} bytes were taken.");
    }

    [Fact]
    public void The_end_may_come_at_once_and_a_false_one_before_it()
    {
        var tail = new DeviceTail();
        byte[] end = [0, 6, 0, 0, 0, 14, .. "{\"devices\":[]}"u8];
        Assert.Equal(end.Length, tail.Append(end));
        Assert.Empty(tail.Cut());

        tail = new DeviceTail();
        byte[] body = [0x7E, 0, 0, 0, 9, 0, 6, 0, 0, 0, 2, (byte)'{', (byte)'"'];
        byte[] section = [4, 0, 0, 0, 1, 1, (byte)'a', 0, 0, 0, 0, 0, 0, 0, 1, .. body, 0x7E, 0, 0, 0, 1];
        var json = "{\"devices\":[{\"name\":\"a\",\"instance_id\":0,\"size\":13,\"fields\":[]}]}"u8.ToArray();
        byte[] all = [.. section, 0, 6, 0, 0, 0, (byte)json.Length, .. json];
        Assert.Equal(all.Length, tail.Append([.. all, 1, 2, 3]));
        var record = Assert.Single(tail.Cut());
        Assert.Equal(body, record.Body);
    }

    [Theory]
    [InlineData("b", 0, 1, MigrationErrorId.UnknownSection)]
    [InlineData("a", 1, 1, MigrationErrorId.UnknownSection)]
    [InlineData("a", 0, 0, MigrationErrorId.WrongFooter)]
    [InlineData("a", 0, 9, MigrationErrorId.UnexpectedEnd)]
    [InlineData("a", 0, 1073741824, MigrationErrorId.UnexpectedEnd)]
    public void Sections_that_are_not_as_described_are_told(string name, int instance, int size, MigrationErrorId expected)
    {
        byte[] section = [4, 0, 0, 0, 1, 1, (byte)'a', 0, 0, 0, 0, 0, 0, 0, 1, 0x55, 0x7E, 0, 0, 0, 1];
        var json = $"{{\"devices\":[{{\"name\":\"{name}\",\"instance_id\":{instance},\"size\":{size},\"fields\":[]}}]}}";
        var machine = DescribedMachine.Parse(Encoding.UTF8.GetBytes(json));
        Assert.Equal(expected, Assert.Throws<MigrationException>(() => SectionCutter.ByDescription(section, machine)).Id);
    }

    [Fact]
    public void More_early_sections_than_are_described_are_told()
    {
        var machine = DescribedMachine.Parse("{\"devices\":[]}"u8);
        Assert.Equal(MigrationErrorId.UnknownSection, Assert.Throws<MigrationException>(() => SectionCutter.ByDescription([], machine, first: 1)).Id);
    }

    [Fact]
    public void A_footer_inside_a_body_does_not_end_it()
    {
        byte[] footer = [0x7E, 0, 0, 0, 1];
        byte[] section = [4, 0, 0, 0, 1, 1, (byte)'a', 0, 0, 0, 0, 0, 0, 0, 1, .. footer, 0x33, .. footer, .. footer];
        // Followed by a command of the package, then by the end.
        Assert.Equal(11, SectionCutter.ByFooters([.. section, 8, 0, 5, 0, 0], out var length)[0].Body.Length);
        Assert.Equal(section.Length, length);
        Assert.Equal(MigrationErrorId.WrongFooter,
            Assert.Throws<MigrationException>(() => SectionCutter.ByFooters([.. section, 9], out _)).Id);
    }
}
