using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>There is no memory where it is needed.</summary>
[Collection("Alone")]
public sealed class RefusedMemoryTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void For_the_guest_at_the_destination_it_stays_here(bool isOutOfMemory)
    {
        using var rig = new FaultRig(size: 6 * TestGuests.MiB);
        var before = HostMemory.Default;
        rig.Stand();
        HostMemory.Default = new Refusing(before, 4 * TestGuests.MiB, isOutOfMemory);
        try
        {
            var result = rig.Migrate();
            Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
            Assert.Equal((MigrationErrorId.MemoryExceeded, MigrationSide.Destination), (result.Error!.Id, result.Error.Side));
        }
        finally
        {
            HostMemory.Default = before;
        }
        Assert.Equal(GuestLocation.Destination, rig.Migrate().Location);
    }

    [Theory]
    [InlineData("main", 1)]
    [InlineData("channels", 1)]
    [InlineData("postcopy", 1)]
    [InlineData("differences", 3)]
    public void For_any_of_what_is_asked_for_it_stays_here(string how, int expected)
    {
        using var rig = new FaultRig();
        var before = HostMemory.Default;
        var refused = 0;
        while (Migrate(rig, how, given: refused) is { } error)
        {
            Assert.True(error.Id == MigrationErrorId.MemoryExceeded, $"{error}");
            Assert.Contains(error.Side, new[] { MigrationSide.Source, MigrationSide.Destination });
            Assert.Equal(GuestLocation.Source, error.Location);
            refused++;
        }
        Assert.Same(before, HostMemory.Default);
        Assert.Equal(expected, refused);
    }

    /// <summary>What became of a migration for which there is memory so often, and then no more; null when the guest has arrived.</summary>
    static MigrationException? Migrate(FaultRig rig, string how, int given)
    {
        rig.Parameters = how switch
        {
            "channels" => rig.Parameters with { Channels = 2, Peer = PeerKind.PsMigrate },
            "postcopy" => rig.Parameters with { Verify = false, Postcopy = true, Mode = MigrationMode.Postcopy },
            "differences" => rig.Parameters with { Xbzrle = true, Means = MigrationMeans.Qemu },
            _ => rig.Parameters,
        };
        var before = HostMemory.Default;
        rig.Stand();
        HostMemory.Default = new Counting(before, given);
        try
        {
            return rig.Migrate().Error;
        }
        finally
        {
            HostMemory.Default = before;
        }
    }

    // 1 TiB of guest has 32 MiB of bits for each of its bitmaps: two belong to the migration, the third is the log of the guest.
    [Theory]
    [InlineData(64 << 20, "REFUSED", "MemoryExceeded Source Running False")]
    [InlineData(96 << 20, "ENDED", "Failed Source MemoryExceeded Source Running")]
    public void For_the_bitmaps_of_the_source_the_guest_runs_on(int heap, string how, string expected)
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there"), MaxMemory = 1L << 44 });
        using var source = OtherProcess.SendHuge(receiver.Uri, size: 1L << 40, heap);
        Assert.Equal(expected, source.WaitForLine($"{how} "));
        Patience.Until(() => receiver.ActiveCount == 0, "the receiver to be through");
        Assert.Empty(TestGuests.On(receiver.HostName));
    }

    /// <summary>Gives nothing above a size.</summary>
    sealed unsafe class Refusing(IHostMemory inner, long most, bool isOutOfMemory) : IHostMemory
    {
        public byte* Reserve(long length) => length < most ? inner.Reserve(length)
            : isOutOfMemory ? throw new InsufficientMemoryException()
            : throw new MigrationException(MigrationErrorId.MemoryExceeded, MigrationSide.User, "There is no more.");

        public void ExpectDense(byte* address, long length) => inner.ExpectDense(address, length);

        public void Release(byte* address, long length) => inner.Release(address, length);
    }

    /// <summary>Gives so often, and then nothing more.</summary>
    sealed unsafe class Counting(IHostMemory inner, int most) : IHostMemory
    {
        int _given;

        public byte* Reserve(long length) => Interlocked.Increment(ref _given) <= most ? inner.Reserve(length) : throw new InsufficientMemoryException();

        public void ExpectDense(byte* address, long length) => inner.ExpectDense(address, length);

        public void Release(byte* address, long length) => inner.Release(address, length);
    }
}
