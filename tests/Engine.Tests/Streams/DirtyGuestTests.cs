using PsMigrate.Engine.Streams;
using PsMigrate.Engine.Tests.Qemu;
using PsMigrate.Engine.Tests.Qemu.Machines;

namespace PsMigrate.Engine.Tests.Streams;

/// <summary>A real guest that writes memory while it is migrated to a file: passes and differences.</summary>
public sealed class DirtyGuestTests
{
    // Real mode: increments a word at the start of each page from 0x20000 to 0x80000, for ever.
    static readonly byte[] Program =
    [
        0xFA,                           // cli
        0x31, 0xC0,                     // xor ax, ax
        0xBB, 0x00, 0x20,               // again: mov bx, 0x2000
        0x8E, 0xDB,                     // next: mov ds, bx
        0xFF, 0x06, 0x00, 0x00,         // inc word [0]
        0x0F, 0x01, 0x3E, 0x00, 0x00,   // invlpg [0]: QEMU 7.2 under TCG loses writes without it
        0x81, 0xC3, 0x00, 0x01,         // add bx, 0x100
        0x81, 0xFB, 0x00, 0x80,         // cmp bx, 0x8000
        0x72, 0xEB,                     // jb next
        0xEB, 0xE6,                     // jmp again
    ];

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Differences_and_passes_are_counted_as_QEMU_counts_them(string binary)
    {
        var folder = Directory.CreateTempSubdirectory("psmigrate-dirty-").FullName;
        try
        {
            var (disk, file) = (Path.Combine(folder, "disk"), Path.Combine(folder, "stream"));
            byte[] sector = [.. Program, .. new byte[510 - Program.Length], 0x55, 0xAA];
            File.WriteAllBytes(disk, [.. sector, .. new byte[512 * 2047]]);
            using var qemu = new QemuMachine(binary, 32, "-M", "pc", "-drive", $"file={disk},format=raw,if=ide", "-boot", "c");
            Poll.Until(() => IsDirtying(qemu), "the guest writes");
            qemu.Execute("migrate-set-capabilities", new { capabilities = new[] { new { capability = "xbzrle", state = true } } });
            SetParameters(qemu, 4 << 20, downtime: 1);
            qemu.Execute("migrate", new { uri = $"exec:cat>{file}" });
            // 7.2 may see few writes in one of the passes, and be done after the fifth by itself.
            Poll.Until(() => SyncCount(qemu) >= 6 || qemu.MigrationStatus == "completed", "some passes");
            SetParameters(qemu, 1 << 30, downtime: 2000);
            Poll.Until(() => qemu.MigrationStatus is "completed" or "failed", "the migration ends");
            // The instant after completion the figures may not be final.
            Poll.Until(() => TotalTime(qemu) > 0, "the figures");

            var state = qemu.Execute("query-migrate");
            var stream = StreamInspector.Read(file);
            Assert.Null(stream.Error);
            var ram = state.GetProperty("ram");
            var cache = state.GetProperty("xbzrle-cache");
            // QEMU's pages also counts those that had not changed, of which it sends nothing, and those sent as they are (overflow).
            Assert.InRange(stream.XbzrlePages, 1, cache.GetProperty("pages").GetInt64() - cache.GetProperty("overflow").GetInt64());
            Assert.Equal(cache.GetProperty("bytes").GetInt64(), Differences.Bytes(file));
            Assert.Equal(ram.GetProperty("normal").GetInt64(), stream.NormalPages);
            Assert.Equal(ram.GetProperty("duplicate").GetInt64(), stream.ZeroPages);
            var syncs = ram.GetProperty("dirty-sync-count").GetInt64();
            Assert.InRange(stream.Passes.Length, 3, syncs);
            Assert.Equal(stream.RamSize / 4096, stream.Passes[0].Pages);
            Assert.Equal(stream.Blocks.Sum(block => block.Bytes), stream.Passes.Sum(pass => pass.Bytes));

            // Differences apply: each of the pages holds its counter, which never stood still at zero.
            var raw = file + ".raw";
            Assert.Equal(0, BlockExtractor.Extract(file, 0, "pc.ram", raw).MissingPages);
            var memory = File.ReadAllBytes(raw);
            for (var page = 0x20000; page < 0x80000; page += 4096)
                Assert.True(memory[page] + memory[page + 1] > 0, $"Page 0x{page:x} is empty.");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Bytes of all differences, each with its three bytes of method and length, as QEMU counts them.</summary>
    sealed class Differences : IRamSink
    {
        long _bytes;

        public static long Bytes(string path)
        {
            using var file = new StreamFile(path);
            var sink = new Differences();
            new StreamWalker(file, sink, CancellationToken.None).Walk();
            return sink._bytes;
        }

        void IRamSink.Page(BlockTally block, long page, PageKind kind, ReadOnlySpan<byte> content) =>
            _bytes += kind == PageKind.Xbzrle ? content.Length + 3 : 0;

        void IRamSink.Blocks(IReadOnlyList<BlockTally> blocks) => Assert.NotEmpty(blocks);

        void IRamSink.Discard(BlockTally block, long firstPage, long pages) => Assert.Fail("Nothing is discarded in precopy.");
    }

    static bool IsDirtying(QemuMachine qemu)
    {
        var memory = qemu.Memory(0, 1 << 20);
        return memory[0x20000] + memory[0x20001] > 0 && memory[0x7F000] + memory[0x7F001] > 0;
    }

    static long TotalTime(QemuMachine qemu) =>
        qemu.Execute("query-migrate").TryGetProperty("total-time", out var time) ? time.GetInt64() : 0;

    static long SyncCount(QemuMachine qemu) =>
        qemu.Execute("query-migrate").TryGetProperty("ram", out var ram) ? ram.GetProperty("dirty-sync-count").GetInt64() : 0;

    static void SetParameters(QemuMachine qemu, int bandwidth, int downtime) => qemu.Execute("migrate-set-parameters",
        new Dictionary<string, object> { ["max-bandwidth"] = bandwidth, ["downtime-limit"] = downtime });
}
