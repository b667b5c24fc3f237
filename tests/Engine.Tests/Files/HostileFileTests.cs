using System.Buffers.Binary;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Tests.Wire;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Files;

/// <summary>Files that are cut off, bent or made to deceive: a typed error with its place, and nothing stays.</summary>
public sealed class HostileFileTests : IDisposable
{
    readonly Folder _folder = new();
    readonly MemoryGuest _guest = RecordedStream.SmallGuest();

    [Theory]
    [InlineData(GuestFileLayout.Stream, GuestFileFormat.PsMigrate)]
    [InlineData(GuestFileLayout.Stream, GuestFileFormat.Qemu)]
    [InlineData(GuestFileLayout.MappedRam, GuestFileFormat.PsMigrate)]
    [InlineData(GuestFileLayout.MappedRam, GuestFileFormat.Qemu)]
    public void Cut_off_anywhere_it_is_refused(GuestFileLayout layout, GuestFileFormat format)
    {
        _folder.Save(_guest, "whole", layout, format);
        var bytes = File.ReadAllBytes(_folder["whole"]);
        // A stream of machine none is whole without its description, which QEMU does not insist on.
        var needed = format == GuestFileFormat.PsMigrate ? bytes.Length : bytes.AsSpan().LastIndexOf("\0\x06"u8);
        foreach (var length in Lengths(needed))
        {
            var error = _folder.RestoreFails(MigrationUri.ForFile(_folder.Write("cut", bytes[..length])));
            Assert.True(error.Id is MigrationErrorId.UnexpectedEnd or MigrationErrorId.OffsetOutOfRange, $"{length} bytes: {error}");
            Assert.True(error.StreamOffset is >= 0, $"{length} bytes: {error}");
        }
    }

    [Theory]
    [InlineData(GuestFileLayout.Stream)]
    [InlineData(GuestFileLayout.MappedRam)]
    public void Bent_it_is_refused_or_is_a_guest(GuestFileLayout layout)
    {
        _folder.Save(_guest, "whole", layout);
        var bytes = File.ReadAllBytes(_folder["whole"]);
        var stream = new RecordedStream(bytes, [.. Lengths(bytes.Length).Select(length => (long)length)], "", [], "", Guid.Empty);
        var refused = 0;
        for (var seed = 0; seed < 400; seed++)
        {
            var origin = MigrationUri.ForFile(_folder.Write("bent", new Mutator(seed).Mutate(stream)));
            using var restore = GuestRestore.Start(origin, new RestoreOptions { HostName = _folder.Host, StartSuspended = true });
            Assert.True(restore.Wait(Patience.Limit), $"Seed {seed} hangs.");
            Assert.True(restore.Error?.Id != MigrationErrorId.InternalError, $"Seed {seed}: {restore.Error}");
            if (restore.Error is not null) refused++;
            else Assert.Equal(32, restore.TakeGuest()!.Digest().Length);
            if (restore.Error is not null) Assert.True(TestGuests.On(_folder.Host).Count == 0, $"Seed {seed} failed and left a guest.");
            TestGuests.RemoveAll(_folder.Host);
        }
        Assert.True(refused > 100, $"Only {refused} of 400 were refused.");
    }

    [Theory]
    [InlineData(0, 4, 2UL, MigrationErrorId.UnsupportedVersion)]
    [InlineData(4, 8, 8192UL, MigrationErrorId.InvalidValue)]
    [InlineData(12, 8, ulong.MaxValue, MigrationErrorId.OffsetOutOfRange)]
    [InlineData(12, 8, 1UL << 40, MigrationErrorId.OffsetOutOfRange)]
    [InlineData(20, 8, ulong.MaxValue, MigrationErrorId.OffsetOutOfRange)]
    [InlineData(20, 8, 1UL << 40, MigrationErrorId.OffsetOutOfRange)]
    [InlineData(20, 8, 123UL, MigrationErrorId.InvalidValue)]
    [InlineData(12, 8, 1UL << 63, MigrationErrorId.OffsetOutOfRange)]
    [InlineData(20, 8, 1UL << 63, MigrationErrorId.OffsetOutOfRange)]
    [InlineData(12, 8, 0UL, MigrationErrorId.InvalidValue)]
    [InlineData(20, 8, 0UL, MigrationErrorId.InvalidValue)]
    [InlineData(12, 8, 1UL << 20, MigrationErrorId.InvalidValue)]
    public void A_place_that_can_t_be_is_refused(int field, int size, ulong value, MigrationErrorId expected)
    {
        var (bytes, header) = Mapped();
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(number, value);
        number[(8 - size)..].CopyTo(bytes.AsSpan(header + field));
        Assert.Equal(expected, _folder.RestoreFails(MigrationUri.ForFile(_folder.Write("bad", bytes))).Id);
    }

    [Fact]
    public void A_page_behind_the_end_of_its_block_is_refused()
    {
        // 80 pages: the second word of the bitmap has 16 bits that mean something.
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Idle, size: 80 * GuestMemory.PageSize));
        var (bytes, header) = Mapped(rig.Guest);
        bytes[header + MappedBlockHeader.Size + 8 + 2] = 1;
        Assert.Equal(MigrationErrorId.OffsetOutOfRange, _folder.RestoreFails(MigrationUri.ForFile(_folder.Write("bad", bytes))).Id);
    }

    [Fact]
    public void Mapped_pages_can_t_come_through_a_command()
    {
        _folder.Save(_guest, "mapped", GuestFileLayout.MappedRam);
        Assert.Equal(MigrationErrorId.UnsupportedFeature, _folder.RestoreFails(MigrationUri.Parse($"exec:cat '{_folder["mapped"]}'")).Id);
    }

    [Fact]
    public void A_command_that_fails_is_named_with_its_words()
    {
        _folder.Save(_guest, "whole");
        var half = _folder.RestoreFails(MigrationUri.Parse($"exec:head -c 5000 '{_folder["whole"]}'; echo disk broken >&2; exit 5"));
        Assert.Equal(MigrationErrorId.CommandFailed, half.Id);
        Assert.Contains("disk broken", half.Message, StringComparison.Ordinal);
        // Even if all of the guest came.
        Assert.Equal(MigrationErrorId.CommandFailed, _folder.RestoreFails(MigrationUri.Parse($"exec:cat '{_folder["whole"]}'; exit 5")).Id);
        Assert.Equal(MigrationErrorId.UnexpectedEnd, _folder.RestoreFails(MigrationUri.Parse($"exec:head -c 5000 '{_folder["whole"]}'")).Id);
    }

    [Fact]
    public void What_is_no_stream_or_no_file_is_refused()
    {
        Assert.Equal(MigrationErrorId.BadMagic, _folder.RestoreFails(MigrationUri.ForFile(_folder.Write("text", "Hello, world"u8.ToArray()))).Id);
        Assert.Equal(MigrationErrorId.FileFailed, _folder.RestoreFails(MigrationUri.ForFile(_folder["missing"])).Id);
        Assert.Equal(MigrationErrorId.FileFailed, _folder.RestoreFails(MigrationUri.ForFile(_folder.Path)).Id);
        Assert.Equal(MigrationErrorId.UnexpectedEnd, _folder.RestoreFails(MigrationUri.ForFile(_folder.Write("empty", []))).Id);
    }

    [Fact]
    public void A_command_that_hangs_can_be_ended()
    {
        using var restore = GuestRestore.Start(MigrationUri.Parse("exec:sleep 1000"), new RestoreOptions { HostName = _folder.Host });
        Assert.False(restore.Wait(TimeSpan.FromMilliseconds(50)));
        restore.Cancel();
        Assert.True(restore.Wait(Patience.Limit));
        Assert.Null(restore.TakeGuest());
    }

    /// <summary>A mapped file, and where the header of its block is.</summary>
    (byte[] Bytes, int Header) Mapped(MemoryGuest? guest = null)
    {
        _folder.Save(guest ?? _guest, "mapped", GuestFileLayout.MappedRam);
        var bytes = File.ReadAllBytes(_folder["mapped"]);
        var version = new byte[] { 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x10, 0 };
        return (bytes, bytes.AsSpan().IndexOf(version));
    }

    static IEnumerable<int> Lengths(int whole) =>
        Enumerable.Range(0, 200).Concat(Enumerable.Range(1, 150).Select(step => (int)((long)whole * step / 150) - 1)).Concat(Enumerable.Range(1, 200).Select(back => whole - back))
            .Where(length => length >= 0 && length < whole).Distinct().Order();

    public void Dispose()
    {
        _guest.Remove();
        _folder.Dispose();
    }
}
