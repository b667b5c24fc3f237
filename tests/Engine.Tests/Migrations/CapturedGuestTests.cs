using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Files;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>A captured guest is sent as it came, in one pass; what can't be kept is refused before anything is sent.</summary>
public sealed class CapturedGuestTests : IDisposable
{
    readonly Folder _folder = new();
    readonly MemoryGuest _guest;

    public CapturedGuestTests()
    {
        var memory = new GuestMemory([("pc.ram", 4 * TestGuests.MiB), ("/rom@etc/acpi/tables", 128 << 10), ("pc.bios", 256 << 10)]);
        ContentFill.Fill(memory.Ram, memory.Ram.Length, GuestContent.Mixed, 3);
        ContentFill.Fill(memory.Blocks[2], memory.Blocks[2].Length, GuestContent.Random, 4);
        _guest = new MemoryGuest(Guid.NewGuid(), TestGuests.UniqueName(), _folder.Host, memory, new CapturedMachine
        {
            Name = "pc-i440fx-7.2",
            Configuration = [new CapturedConfiguration("configuration/uuid", 1, Guid.NewGuid().ToByteArray())],
            // Numbers that RAM of our own would have.
            Sections = [new CapturedSection(1, "timer", 0, 2, new byte[24]), new CapturedSection(2, "cpu", 0, 12, [.. Enumerable.Range(0, 99).Select(i => (byte)i)])],
        });
        GuestRegistry.Arrive(_guest, Guid.Empty);
    }

    [Theory]
    [InlineData(GuestFileLayout.Stream)]
    [InlineData(GuestFileLayout.MappedRam)]
    public void Blocks_sections_and_configuration_come_back_as_they_were(GuestFileLayout layout)
    {
        var saved = _folder.Save(_guest, "one", layout);
        Assert.Equal(("pc-i440fx-7.2", GuestFileFormat.Qemu), (saved.MachineType, saved.Format));
        var back = _folder.Restore("one", new RestoreOptions { Name = "back" });
        Assert.Equal(_guest.Digest(), back.Digest());
        Assert.Equal(_guest.Memory.Blocks.Select(block => (block.Name, block.Length)), back.Memory.Blocks.Select(block => (block.Name, block.Length)));
        Assert.Equal(_guest.Machine!.Sections.Select(Text), back.Machine!.Sections.Select(Text));
        Assert.Null(back.Machine.Description);
        _folder.Save(back, "two", layout);
        Assert.Equal(File.ReadAllBytes(_folder["one"]), File.ReadAllBytes(_folder["two"]));
    }

    [Fact]
    public void It_goes_to_another_host_of_ours_in_one_pass()
    {
        var digest = _guest.Digest();
        var host = $"{_folder.Host}-2";
        try
        {
            var state = Migrate($"local:{host}", new MigrationParameters());
            Assert.Null(state.Error);
            Assert.Equal((GuestLocation.Destination, PeerKind.PsMigrate), (state.Location, state.Peer));
            Assert.True(state.Iterations.Length <= 2, $"{state.Iterations.Length} passes.");
            var arrived = Assert.Single(TestGuests.On(host));
            Assert.Equal((GuestKind.Captured, digest), (arrived.Kind, arrived.Digest()));
            Assert.Equal(GuestState.Removed, _guest.State);
        }
        finally
        {
            TestGuests.RemoveAll(host);
        }
    }

    [Fact]
    public void Verify_can_t_be_kept()
    {
        var refused = Assert.Throws<MigrationException>(() =>
            Migration.Start(_guest, MigrationUri.Parse("local:elsewhere"), new MigrationParameters { Verify = true }));
        Assert.Equal(MigrationErrorId.UnsupportedByGuest, refused.Id);
        Assert.False(_guest.IsBusy);
        Assert.Equal(GuestState.Suspended, _guest.State);
    }

    [Fact]
    public void A_receiver_that_has_no_room_gives_its_reason_and_it_stays()
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = $"{_folder.Host}-2", MaxMemory = TestGuests.MiB });
        var state = Migrate(receiver.Uri.ToString(), new MigrationParameters());
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (state.State, state.Location));
        Assert.Equal(MigrationErrorId.MemoryExceeded, state.Error!.Id);
        Assert.Equal(GuestState.Suspended, _guest.State);
    }

    MigrationState Migrate(string destination, MigrationParameters parameters)
    {
        var migration = Migration.Start(_guest, MigrationUri.Parse(destination), parameters);
        Assert.True(migration.Wait(Patience.Limit), $"The migration hangs in {migration.GetState().Phase}.");
        return migration.GetState();
    }

    static string Text(CapturedSection section) =>
        $"{section.Id} {section.Name}/{section.Instance} {section.Version} {Convert.ToHexString(section.Body)}";

    public void Dispose() => _folder.Dispose();
}
