using System.Buffers;
using System.IO.Pipelines;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>
/// A link that breaks at each of its writes, before or after it has taken the bytes: whether pages are left decides between Lost and InDoubt. When
/// all have come, none is left; when one was never written, some are.
/// </summary>
public sealed class BrokenWriteTests
{
    const int Page = GuestMemory.PageSize;

    public static TheoryData<bool, bool, bool> Cases
    {
        get
        {
            var cases = new TheoryData<bool, bool, bool>();
            foreach (var runs in new[] { false, true })
                foreach (var preempt in new[] { false, true })
                    foreach (var takes in new[] { false, true }) cases.Add(runs, preempt, takes);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void What_is_left_says_whether_all_may_have_come(bool runs, bool preempt, bool takes)
    {
        var (broken, whole) = (0, 0);
        for (var seed = 0; seed < 3; seed++)
            for (var at = 1; Breaks(seed, at, runs, preempt, takes, ref whole); at++) broken++;
        Assert.True(broken > 100, $"{broken} links broke.");
        // Only the last bytes that are taken make it whole.
        Assert.True(takes ? whole > 0 : whole < broken, $"{whole} of {broken}");
    }

    static bool Breaks(int seed, int at, bool runs, bool preempt, bool takes, ref int whole)
    {
        var random = new Random(seed);
        GuestMemory memory = Memory(), arrived = Memory(), copy = Memory();
        var guest = new MemoryGuest(Guid.NewGuid(), "breaks", "local", memory, new CapturedMachine { Name = "pc-i440fx-7.2" });
        try
        {
            foreach (var block in memory.Blocks)
                for (var page = 0L; page < block.Pages; page++)
                    if (random.Next(3) > 0) Fill(block, page, random);
            var saver = new RamSaver(guest) { LongestPart = Patience.Limit, SendsRuns = runs };
            saver.SaveSetup(new WireWriter(new BytesWriter(keep: false)));
            var (twin, written, discards) = (new PlainPostcopy(arrived, runs), new PlainPostcopy(copy, runs), new BytesWriter());
            saver.BeginPostcopy(new WireWriter(discards));
            twin.TakeDiscards(discards.Written);
            written.TakeDiscards(discards.Written);
            var left = new Countdown(at);
            var main = new BreakingWriter(twin.Connect(), written.Connect(), left, takes);
            var urgent = preempt ? new BreakingWriter(twin.Connect(), written.Connect(), left, takes) : main;
            if (preempt) saver.Preempt = new WireWriter(urgent);
            var hasBroken = Send(saver, new WireWriter(main), random);
            if (twin.Missing == 0) whole++;
            if (twin.Missing == 0) Assert.Equal(0, saver.PendingEstimate);
            // A record that was begun may have been sent, for all that is known.
            var isInRecord = main.EndsInRecord() | urgent.EndsInRecord();
            if (written.Missing > 0 && !isInRecord) Assert.NotEqual(0, saver.PendingEstimate);
            return hasBroken;
        }
        finally
        {
            guest.Remove();
            arrived.Release();
            copy.Release();
        }
    }

    static GuestMemory Memory() => new([("ram", 200L * Page), ("rom", 70L * Page)]);

    static bool Send(RamSaver saver, WireWriter writer, Random random)
    {
        try
        {
            while (saver.PendingEstimate > 0)
            {
                for (var asked = random.Next(3); asked > 0; asked--) saver.Requests.Add("ram", (ulong)(random.Next(190) * Page), (uint)(random.Next(1, 10) * Page));
                saver.SavePostcopy(writer, (1 + random.Next(60)) * Page);
                writer.Flush();
            }
            return false;
        }
        catch (MigrationException e) when (e.Id == MigrationErrorId.ConnectionLost)
        {
            return true;
        }
    }

    static unsafe void Fill(RamBlock block, long page, Random random) => random.NextBytes(new Span<byte>(block.PageForWrite(page), Page));

    sealed class Countdown(int from)
    {
        public int Left { get; set; } = from;
    }

    /// <summary>Writes blocks of 16 KiB, and breaks at one of the writes.</summary>
    sealed class BreakingWriter(PlainPostcopy.Channel taken, PlainPostcopy.Channel written, Countdown writes, bool takes) : PipeWriter
    {
        const int Block = 16 << 10;

        readonly ArrayBufferWriter<byte> _taken = new();
        readonly ArrayBufferWriter<byte> _written = new();
        readonly byte[] _block = new byte[Block];
        int _held;

        /// <summary>Whether what was written, sent or not, ends in the middle of a record.</summary>
        public bool EndsInRecord()
        {
            Give(written, _written);
            return _written.WrittenCount > 0;
        }

        public override void Advance(int bytes) => _held += bytes;

        public override Memory<byte> GetMemory(int sizeHint = 0)
        {
            if (Block - _held < Math.Max(1, sizeHint)) Write();
            return _block.AsMemory(_held);
        }

        public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        {
            if (_held > 0) Write();
            return default;
        }

        public override void CancelPendingFlush() => throw new NotSupportedException();

        public override void Complete(Exception? exception = null)
        {
        }

        void Write()
        {
            var breaks = --writes.Left == 0;
            Give(written, _written);
            if (takes || !breaks) Give(taken, _taken);
            _held = 0;
            if (breaks) throw new MigrationException(MigrationErrorId.ConnectionLost, MigrationSide.Link, "The link broke.");
        }

        /// <summary>The block, behind what was no whole record before.</summary>
        void Give(PlainPostcopy.Channel channel, ArrayBufferWriter<byte> bytes)
        {
            bytes.Write(_block.AsSpan(0, _held));
            var rest = bytes.WrittenSpan[channel.Take(bytes.WrittenSpan)..].ToArray();
            bytes.ResetWrittenCount();
            bytes.Write(rest);
        }
    }
}
