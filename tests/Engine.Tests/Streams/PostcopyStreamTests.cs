using PsMigrate.Engine.Streams;
using PsMigrate.Engine.Tests.Qemu;

namespace PsMigrate.Engine.Tests.Streams;

/// <summary>A real postcopy migration: package, discarded pages, requests.</summary>
public sealed class PostcopyStreamTests
{
    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_postcopy_stream_and_its_return_path_are_read(string binary)
    {
        using var capture = new PostcopyCapture(binary);
        var stream = StreamInspector.Read(capture.Forward);
        Assert.Null(stream.Error);
        Assert.Equal(MigrationStreamKind.Postcopy, stream.Kind);
        Assert.True(stream.HasEof);
        Assert.Null(stream.Description);
        Assert.Equal(new FileInfo(capture.Forward).Length, stream.Length);
        Assert.Equal((capture.NormalPages, capture.ZeroPages), (stream.NormalPages, stream.ZeroPages));

        var commands = stream.Commands.Select(command => command.Command).Distinct().ToList();
        string[] expected = ["OpenReturnPath", "Ping", "PostcopyAdvise", "PostcopyRamDiscard", "Packaged", "PostcopyListen", "PostcopyRun"];
        foreach (var name in expected) Assert.Contains(name, commands);
        Assert.Equal("page sizes 0x1000, target page 0x1000", stream.Commands.First(command => command.Command == "PostcopyAdvise").Detail);
        Assert.All(stream.Commands.Where(command => command.Command is "PostcopyListen" or "PostcopyRun"),
            command => Assert.True(command.InPackage));
        var discards = stream.Commands.Where(command => command.Command == "PostcopyRamDiscard").ToList();
        Assert.Contains(discards, command => command.Block == "pc.ram" && command.Ranges.All(range => range.Length > 0));
        Assert.True(stream.Devices.Length > 25, $"{stream.Devices.Length} devices.");
        Assert.All(stream.Devices, device => Assert.True(device.InPackage));

        // All that was discarded came again.
        var file = capture.Forward + ".raw";
        Assert.Equal(0, BlockExtractor.Extract(capture.Forward, 0, "pc.ram", file).MissingPages);
        Assert.Equal(64 << 20, new FileInfo(file).Length);

        var messages = StreamInspector.ReadReturnPath(capture.ReturnPath).ToList();
        Assert.Equal(stream.Commands.Count(command => command.Command == "Ping"), messages.Count(message => message.Type == "Pong"));
        Assert.Equal(capture.Requests, messages.Count(message => message.Range is not null));
        Assert.Equal(("Shut", "ended well"), (messages[^1].Type, messages[^1].Detail));
    }
}
