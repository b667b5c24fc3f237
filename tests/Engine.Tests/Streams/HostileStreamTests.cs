using PsMigrate.Engine.Model;
using PsMigrate.Engine.Streams;
using PsMigrate.Engine.Tests.Qemu;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Tests.Wire;

namespace PsMigrate.Engine.Tests.Streams;

/// <summary>Damaged files: what was readable is given, the rest is a typed error, in bounded time and memory.</summary>
public sealed class HostileStreamTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("psmigrate-hostile-").FullName;

    string StreamPath => Path.Combine(_folder, "stream");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_stream_of_this_project_is_read_to_its_last_byte()
    {
        var recorded = RecordedStream.Ours(hasRuns: false);
        var stream = Read(recorded.Bytes);
        Assert.Null(stream.Error);
        Assert.Equal(recorded.Bytes.Length, stream.Length);
        Assert.Equal(512 << 10, stream.RamSize);
        Assert.Equal("psmigrate/guest", stream.Devices[0].Name);
        Assert.NotEmpty(stream.Devices.First(device => device.Name.StartsWith("psmigrate/cpu", StringComparison.Ordinal)).Fields);
        Assert.Equal("Run", stream.Commands[^1].Command);
        Assert.True(stream.NormalPages > 0 && stream.ZeroPages > 0);
    }

    [Fact]
    public void A_stream_cut_off_at_any_record_gives_what_came_before()
    {
        var recorded = RecordedStream.Ours(size: 64 << 10, hasRuns: false);
        var whole = Read(recorded.Bytes);
        var lengths = new HashSet<long>();
        foreach (var boundary in recorded.Boundaries.Distinct().Where(boundary => boundary > 0 && boundary < recorded.Bytes.Length))
        {
            foreach (var cut in new[] { boundary - 1, boundary, boundary + 1 })
            {
                var stream = Read(recorded.Bytes[..(int)cut]);
                // Only behind the description may a stream end without being damaged.
                if (stream.Error is null) Assert.True(stream.HasEof, $"Cut at {cut} without an error.");
                else Assert.True(stream.Error.StreamOffset <= cut, $"Cut at {cut}: {stream.Error.Message}");
                Assert.True(stream.Length <= cut);
                Assert.True(stream.NormalPages <= whole.NormalPages && stream.Sections.Length <= whole.Sections.Length);
                lengths.Add(stream.Sections.Length);
            }
        }
        Assert.True(lengths.Count > 5, $"{lengths.Count} different numbers of sections.");
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_real_stream_cut_off_between_its_devices_gives_those_before(string binary)
    {
        using var capture = new Capture(binary, "pc");
        var whole = StreamInspector.Read(capture.Path);
        var bytes = capture.Bytes;
        for (var i = 1; i < whole.Devices.Length; i++)
        {
            // In the middle of a section: the ones before it are there.
            var stream = Read(bytes[..(int)(whole.Devices[i].Offset + 8)]);
            Assert.NotNull(stream.Error);
            Assert.Equal(i, stream.Devices.Length);
        }
        var without = Read(bytes[..^10]);
        Assert.Equal(MigrationErrorId.UnexpectedEnd, without.Error!.Id);
        Assert.Contains("the description", without.Error.Message, StringComparison.Ordinal);
        Assert.Equal(whole.Devices.Length, without.Devices.Length);
    }

    [Theory]
    [InlineData(0, 1500)]
    [InlineData(1500, 3000)]
    public void Mutated_streams_end_in_typed_errors(int first, int last)
    {
        var ours = RecordedStream.Ours(size: 64 << 10, hasRuns: false);
        var foreign = RecordedStream.Foreign(size: 64 << 10);
        Fuzz(first, last, seed => new Mutator(seed).Mutate(seed % 2 == 0 ? ours : foreign));
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Mutated_streams_of_a_real_machine_end_in_typed_errors(string binary)
    {
        using var capture = new Capture(binary, "pc");
        var boundaries = StreamInspector.Read(capture.Path).Sections.Select(section => section.Offset).ToList();
        var recorded = new RecordedStream(capture.Bytes, boundaries, "", [], "", Guid.Empty);
        Fuzz(0, 300, seed => new Mutator(seed).Mutate(recorded));
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Mutated_descriptions_end_in_typed_errors(string binary)
    {
        using var capture = new Capture(binary, "q35");
        var bytes = capture.Bytes;
        var (_, _, length) = Capture.Cut(bytes);
        var description = bytes.Length - StreamInspector.Read(capture.Path).Description!.Length;
        Assert.True(description > length);
        Fuzz(0, 300, seed =>
        {
            var random = new Random(seed);
            var copy = bytes.ToArray();
            // Digits become other digits, so that the JSON stays one: sizes that lie.
            for (var count = 1 + random.Next(3); count > 0;)
            {
                var at = random.Next(description, copy.Length);
                if (!char.IsAsciiDigit((char)copy[at])) continue;
                copy[at] = (byte)('0' + random.Next(10));
                count--;
            }
            return copy;
        });
    }

    void Fuzz(int first, int last, Func<int, byte[]> mutate)
    {
        var outcomes = new Dictionary<string, int>();
        for (var seed = first; seed < last; seed++)
        {
            var bytes = mutate(seed);
            var stream = Patience.Within(() => Read(bytes), $"the end of seed {seed}");
            Assert.True(stream.Error?.Id != MigrationErrorId.InternalError, $"Seed {seed}: {stream.Error}");
            Assert.True(stream.Length <= bytes.Length, $"Seed {seed}: {stream.Length} of {bytes.Length} bytes.");
            var outcome = stream.Error?.Id.ToString() ?? "None";
            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
            // The values can be looked at, whatever they are.
            foreach (var device in stream.Devices) _ = string.Join(' ', device.Fields.Select(field => field.ToString()));
            TryExtract(stream);
        }
        Assert.True(outcomes.Count >= 4, $"Only these outcomes: {string.Join(", ", outcomes)}");
    }

    void TryExtract(MigrationStream stream)
    {
        var name = stream.Blocks.FirstOrDefault()?.Name ?? "ram";
        // Sparse where it is large.
        if (stream.RamSize > 1L << 30) return;
        try
        {
            BlockExtractor.Extract(StreamPath, 0, name, StreamPath + ".raw");
        }
        catch (MigrationException e)
        {
            Assert.NotEqual(MigrationErrorId.InternalError, e.Id);
        }
        Assert.Empty(Directory.GetFiles(_folder, "*.part"));
    }

    MigrationStream Read(byte[] bytes)
    {
        File.WriteAllBytes(StreamPath, bytes);
        return StreamInspector.Read(StreamPath);
    }
}
