using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>A whole stream as bytes, with the offsets of its records, and what a receiver must have afterwards.</summary>
sealed record RecordedStream(byte[] Bytes, IReadOnlyList<long> Boundaries, string Digest, IReadOnlyList<long> Ticks, string GuestName, Guid Migration)
{
    /// <summary>A small guest with data, zero pages and registers that are not zero.</summary>
    public static MemoryGuest SmallGuest(long size = 512 << 10, GuestWorkload workload = GuestWorkload.HotSpot)
    {
        var guest = MemoryGuest.Create(TestGuests.Options(workload, size, rate: 0));
        guest.StopAtTick(500);
        guest.Resume();
        TestGuests.WaitForTick(guest, 500);
        guest.Suspend();
        return guest;
    }

    /// <summary>As a source of ours sends it: everything, RUN included.</summary>
    public static RecordedStream Ours(bool verify = false, long size = 512 << 10, bool hasRuns = true)
    {
        var guest = SmallGuest(size);
        var bytes = new BytesWriter();
        var migration = Guid.NewGuid();
        var stream = new StreamBuilder(guest, bytes, migration, verify) { HasRuns = hasRuns }.UpTo(StreamStep.Run);
        return Finish(guest, bytes, stream, migration);
    }

    /// <summary>
    /// As a source of ours sends a postcopy: a pass, of which a third is discarded, the package, RUN, then what is missing, in single pages and
    /// runs.
    /// </summary>
    public static (RecordedStream Stream, long Run) OursInPostcopy(long size = 512 << 10)
    {
        var guest = SmallGuest(size);
        var bytes = new BytesWriter();
        var migration = Guid.NewGuid();
        var stream = new StreamBuilder(guest, bytes, migration).UpTo(StreamStep.Announcement).Advise().UpTo(StreamStep.RamPart);
        var ram = guest.Memory.Ram;
        stream.Ram(RecordType.SectionPart, () =>
        {
            for (long page = 0; page < ram.Pages; page++) stream.Raw(page, ram.Page(page));
        });
        CommandRecord.Write(stream.Wire, CommandType.SwitchoverStart);
        var (first, count) = (ram.Pages / 3, ram.Pages / 3);
        stream.Discard(first, 1).Discard(first + 1, count - 1);
        CommandRecord.WritePing(stream.Wire, 2);
        stream.Package();
        CommandRecord.Write(stream.Wire, CommandType.Run);
        stream.Mark();
        var run = stream.Wire.Position;
        stream.Ram(RecordType.SectionPart, () =>
        {
            for (var page = first; page < first + (count / 2); page++) stream.Raw(page, ram.Page(page));
            stream.Run(first + (count / 2), ram.Span((first + (count / 2)) * GuestMemory.PageSize, (int)(count - (count / 2)) * GuestMemory.PageSize));
        });
        stream.Mark();
        stream.Ram(RecordType.SectionEnd, () => { });
        stream.Mark();
        stream.Write(StreamStep.Eof);
        stream.Wire.Flush();
        return (Finish(guest, bytes, stream, migration), run);
    }

    /// <summary>As a machine none of QEMU sends it: RAM only, nothing announced.</summary>
    public static RecordedStream Foreign(long size = 512 << 10)
    {
        var guest = SmallGuest(size);
        var bytes = new BytesWriter();
        var stream = new StreamBuilder(guest, bytes, Guid.Empty)
            .Without(StreamStep.ExtensionPing, StreamStep.Announcement, StreamStep.Cpus, StreamStep.Devices).UpTo(StreamStep.Description);
        return Finish(guest, bytes, stream, Guid.Empty);
    }

    /// <summary>A valid stream up to and with one part, then what the test adds.</summary>
    public static byte[] Upto(StreamStep last, Action<WireWriter> then)
    {
        var guest = SmallGuest(64 << 10);
        var bytes = new BytesWriter();
        var stream = new StreamBuilder(guest, bytes, Guid.NewGuid()).UpTo(last);
        then(stream.Wire);
        guest.Remove();
        return bytes.Written;
    }

    static RecordedStream Finish(MemoryGuest guest, BytesWriter bytes, StreamBuilder stream, Guid migration)
    {
        var recorded = new RecordedStream(bytes.Written, stream.Boundaries, guest.Digest(), guest.Ticks, guest.Name, migration);
        guest.Remove();
        return recorded;
    }
}

/// <summary>A receiving end without a listener.</summary>
static class Incoming
{
    public static IncomingPolicy Policy(string? host = null, long maxMemory = 16 * TestGuests.MiB, TimeSpan? firstWord = null, TimeSpan? run = null) =>
        new(host ?? TestGuests.UniqueName("there"), new Admission(64, maxMemory), ["*"], StartSuspended: false, firstWord ?? Patience.Limit,
            Patience.Limit, run ?? Patience.Limit);

    /// <summary>Feeds bytes to a receiving end, on this thread.</summary>
    public static (IncomingMigration Migration, MemoryConnection Link) Run(ReadOnlyMemory<byte> stream, IncomingPolicy? policy = null, int chunk = int.MaxValue)
    {
        var link = new MemoryConnection(stream, chunk);
        var migration = new IncomingMigration(link, policy ?? Policy());
        migration.Run();
        return (migration, link);
    }
}
