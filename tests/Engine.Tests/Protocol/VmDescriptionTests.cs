using System.Text.Json;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Tests.Protocol;

/// <summary>The description cuts the sections: lengths by the formula of WIRE §4.4 must be those of the bodies.</summary>
public sealed class VmDescriptionTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public void Each_body_is_as_long_as_its_description_says(long resumes)
    {
        var counter = new CounterDevice { Resumes = resumes };
        IDeviceState[] devices = [new CpuState(0, 16), new CpuState(1, 16), new TimerDevice(), counter];
        var description = new VmDescription();
        foreach (var device in devices) description.Add(device.Instance, device.Description);
        description.Add(GlobalState.Section, 0, GlobalState.BodySize);
        var json = Write(description);
        Assert.Equal(4096, json.GetProperty("page_size").GetInt32());
        var listed = json.GetProperty("devices").EnumerateArray().ToList();
        Assert.Equal(devices.Length + 1, listed.Count);
        for (var i = 0; i < devices.Length; i++)
        {
            Assert.Equal(devices[i].Description.Name, listed[i].GetProperty("name").GetString());
            Assert.Equal(devices[i].Instance, listed[i].GetProperty("instance_id").GetUInt32());
            Assert.Equal(BodyLength(devices[i]), Length(listed[i]));
        }
        Assert.Equal(104, listed[^1].GetProperty("size").GetInt32());
    }

    [Fact]
    public void State_comes_back_with_its_subsection_only_when_it_is_needed()
    {
        foreach (var resumes in new long[] { 0, 7 })
        {
            var bytes = new BytesWriter();
            var writer = new WireWriter(bytes);
            DeviceSection.WriteBody(writer, new CounterDevice { Migrations = 5, Resumes = resumes }.Description);
            writer.Byte((byte)RecordType.Footer);
            var read = new CounterDevice();
            DeviceSection.ReadBody(new WireReader(new BytesReader(bytes.Written), MigrationSide.Source), read);
            Assert.Equal((5, resumes), (read.Migrations, read.Resumes));
            Assert.Equal(resumes == 0 ? 9 : 9 + 1 + 1 + "psmigrate/counter/resumes".Length + 4 + 8, bytes.Written.Length);
        }
    }

    static long BodyLength(IDeviceState device)
    {
        var writer = new WireWriter(new BytesWriter());
        DeviceSection.WriteBody(writer, device.Description);
        return writer.Position;
    }

    static long Length(JsonElement device) => Sum(device, "fields", field => field.GetProperty("size").GetInt64()) + Sum(device, "subsections", Subsection);

    static long Subsection(JsonElement sub) => 1 + 1 + sub.GetProperty("vmsd_name").GetString()!.Length + 4 + Length(sub);

    static long Sum(JsonElement parent, string name, Func<JsonElement, long> length) =>
        parent.TryGetProperty(name, out var list) ? list.EnumerateArray().Sum(length) : 0;

    static JsonElement Write(VmDescription description)
    {
        var bytes = new BytesWriter();
        description.Write(new WireWriter(bytes));
        var reader = new WireReader(new BytesReader(bytes.Written), MigrationSide.Source);
        Assert.Equal((byte)RecordType.VmDescription, reader.Byte());
        var json = JsonSerializer.Deserialize<JsonElement>(reader.Bytes((int)reader.UInt32()));
        Assert.True(reader.IsAtEnd());
        var skipper = new WireReader(new BytesReader(bytes.Written, 7), MigrationSide.Source);
        _ = skipper.Byte();
        VmDescription.Skip(skipper);
        Assert.True(skipper.IsAtEnd());
        return json;
    }
}
