using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>What a receiver makes of the valid streams of foreign machines.</summary>
public sealed class CapturedStreamTests
{
    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(100)]
    [InlineData(1)]
    public void A_precopy_stream(int chunk) => Arrives(ForeignStream.Precopy(), guest =>
    {
        Assert.Equal(GuestKind.Captured, guest.Kind);
        Assert.Equal(ForeignStream.Machine, guest.MachineType);
        Assert.Equal(GuestState.Suspended, guest.State);
        Assert.Equal(2, guest.ProcessorCount);
        Assert.Equal(ForeignStream.Blocks, guest.RamBlocks.Select(block => (block.Name, block.Length)));
        Assert.Equal([("timer", 0u, 24), ("cpu", 0u, 200), ("cpu", 1u, 12), ("0000:00:01.1/ide", 0u, 7)],
            guest.Devices.Select(device => (device.Name, device.Instance, device.Size)));
        Assert.NotNull(guest.Machine!.Description);
    }, chunk);

    [Fact]
    public void A_stream_without_a_description_that_ends() => Arrives(
        new ForeignStream().Header().Start().Pages().End().Device("timer", 0, new byte[24]).Device("cpu", 0, 1, 2, 3).Eof(), guest =>
        {
            Assert.Null(guest.Machine!.Description);
            Assert.Equal(2, guest.Devices.Length);
        });

    [Fact]
    public void A_stream_without_a_description_that_falls_silent_behind_its_EOF()
    {
        var stream = new ForeignStream().Header().ReturnPath().Start().Pages().End().Device("timer", 0, new byte[24]).Eof();
        var policy = Incoming.Policy();
        var link = new MemoryConnection(stream.Bytes, isSilentAtEnd: true);
        var migration = new IncomingMigration(link, policy);
        Patience.Within(() => { migration.Run(); return true; }, "the end of the silence");
        Assert.Null(migration.Error);
        Assert.Equal(0u, link.Answers()[^1].Value);
        TestGuests.RemoveAll(policy.HostName);
        // Not the migration: the thread that waits for more, which a link without a socket does not end by itself.
        link.Abort();
    }

    [Fact]
    public void Machines_without_footers() =>
        Arrives(new ForeignStream(hasFooters: false).Header().Start().Pages().End().Device("cpu", 0, 5, 6, 7).Eof().Description(), guest =>
        {
            Assert.False(guest.Machine!.HasFooters);
            Assert.Equal("", guest.MachineType);
            Assert.Equal([5, 6, 7], guest.Machine.Sections[0].Body);
        });

    [Fact]
    public void Sections_before_RAM_are_cut_at_the_footer_that_a_record_follows() => Arrives(
        new ForeignStream().Header().Start()
            // Its own footer inside, twice, with nothing behind that can follow one.
            .Device("0000:00:04.0/virtio-mem-early", 0, 0x7E, 0, 0, 0, 10, 0x7E, 0, 0, 0, 10, 9, 9).Device("0000:00:05.0/virtio-mem-early", 0, new byte[100])
            .Pages().End().Device("cpu", 0, 1).Eof().Description(), guest =>
        {
            Assert.Equal(3, guest.Devices.Length);
            Assert.Equal([12, 100, 1], guest.Devices.Select(device => device.Size));
        });

    [Theory]
    [InlineData("0000:00:04.0/virtio-mem-early")]
    [InlineData("0000:00:04.0/virtio-balloon")]
    public void Pages_that_QEMU_leaves_out_are_zero(string device) => Arrives(
        new ForeignStream().Header().Start().Pages(isLeftOut: (block, page) => block == "pc.ram" && page == 3).End().Device(device, 0, 1).Eof().Description(),
        guest => Assert.Equal(-1, guest.Memory.Ram.Page(3).IndexOfAnyExcept((byte)0)), isWhole: false);

    [Fact]
    public void Huge_pages_of_a_source_that_advised_of_postcopy()
    {
        ForeignStream stream = new();
        stream.Header().ReturnPath().Advise(0x201000);
        // The block behind the first one, and EOS behind the last: neither is taken for a page size, nor the other way round.
        stream.Start(block => { if (block == "pc.ram") stream.Wire.UInt64(0x200000); }).Pages().End().Devices().Eof().Description();
        Arrives(stream);
        stream = new();
        stream.Header().ReturnPath().Advise(0x201000);
        stream.Start(block => { if (block == "pc.bios") stream.Wire.UInt64(0x200000); }).Pages().End().Devices().Eof().Description();
        Arrives(stream);
    }

    [Fact]
    public void The_uuid_in_network_order()
    {
        var uuid = Guid.Parse("01234567-89ab-cdef-0123-456789abcdef");
        Arrives(new ForeignStream().Header(new ConfigurationSubsection("configuration/uuid", 1, uuid.ToByteArray(bigEndian: true)))
            .Start().Pages().End().Devices().Eof().Description(), guest => Assert.Equal(uuid, guest.Uuid));
    }

    [Fact]
    public void A_postcopy() => Arrives(new ForeignStream().Header().ReturnPath().Advise().Start()
        .Ram(RecordType.SectionPart, () => { })
        .Pages()
        .Command(CommandType.PostcopyRamDiscard, [0, 6, .. "pc.ram"u8, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0x30, 0])
        .Package(package => package.Command(CommandType.PostcopyListen).Device("timer", 0, new byte[24]).Device("cpu", 0, 1, 2, 3)
            .Command(CommandType.Ping, 0, 0, 0, 0x42).Command(CommandType.PostcopyRun))
        // All once more: those that were not discarded are ignored.
        .Pages().End().Eof(), guest => Assert.Equal(["timer", "cpu"], guest.Devices.Select(device => device.Name)));

    [Theory]
    [InlineData(ForeignStream.Machine, true)]
    [InlineData("pc-q35-11.0", true)]
    [InlineData("pc-q35-11.1", false)]
    [InlineData("pc-i440fx-12.0", false)]
    [InlineData("none", true)]
    [InlineData("pc-i440fx-rhel7.6.0", true)]
    public void Who_waits_for_a_switchover_ack(string machine, bool expected) => Assert.Equal(expected, SwitchoverAck.IsExpectedBy(machine));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_switchover_ack_follows_the_return_path_when_it_is_asked_for(bool isOn)
    {
        var policy = Incoming.Policy() with { SwitchoverAck = isOn };
        var (migration, link) = Incoming.Run(ForeignStream.Precopy().Bytes, policy);
        Assert.Null(migration.Error);
        Assert.Equal(isOn ? [ReturnPathType.SwitchoverAck, ReturnPathType.Pong, ReturnPathType.Shut] : [ReturnPathType.Pong, ReturnPathType.Shut],
            link.Answers().Select(answer => answer.Type));
        TestGuests.RemoveAll(policy.HostName);
    }

    static void Arrives(ForeignStream stream, Action<MemoryGuest>? check = null, int chunk = int.MaxValue, bool isWhole = true)
    {
        var policy = Incoming.Policy();
        var (migration, _) = Incoming.Run(stream.Bytes, policy, chunk);
        try
        {
            Assert.True(migration.Error is null, $"{migration.Error}");
            var guest = migration.Guest!;
            Assert.Same(guest, Assert.Single(TestGuests.On(policy.HostName)));
            foreach (var (name, length) in isWhole ? ForeignStream.Blocks : [])
                for (long page = 0; page < length / GuestMemory.PageSize; page++)
                    Assert.Equal(ForeignStream.Content(name, page), guest.Memory.Find(name)!.Page(page));
            check?.Invoke(guest);
        }
        finally
        {
            TestGuests.RemoveAll(policy.HostName);
        }
    }
}
