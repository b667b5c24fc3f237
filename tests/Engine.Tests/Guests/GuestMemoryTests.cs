using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Guests;

/// <summary>RAM outside the heap: sizes, references, and the twin for other systems.</summary>
public sealed unsafe class GuestMemoryTests
{
    [Theory]
    [InlineData(0L)]
    [InlineData(-4096L)]
    [InlineData(4097L)]
    [InlineData((1L << 44) + 4096)]
    public void A_size_that_can_not_be_is_refused(long size)
    {
        var error = Assert.Throws<MigrationException>(() => new GuestMemory(size));
        Assert.Equal(MigrationErrorId.InvalidSize, error.Id);
    }

    [Fact]
    public void It_is_given_back_with_the_last_reference_and_not_before()
    {
        var host = new CountingHost();
        var memory = new GuestMemory(64 << 10, host: host);
        Assert.True(memory.TryAddReference());
        memory.Release();
        Assert.Equal(0, host.Released);
        memory.Release();
        Assert.Equal(64 << 10, host.Released);
        Assert.False(memory.TryAddReference());
    }

    [Fact]
    public void The_portable_twin_gives_zeroed_aligned_memory()
    {
        var host = new PortableHostMemory();
        for (var i = 0; i < 8; i++)
        {
            var address = host.Reserve(256 << 10);
            Assert.Equal(0, (nint)address % GuestMemory.PageSize);
            Assert.False(new Span<byte>(address, 256 << 10).ContainsAnyExcept((byte)0));
            new Span<byte>(address, 256 << 10).Fill(0xAB);
            host.Release(address, 256 << 10);
        }
    }

    [Fact]
    public void A_large_guest_takes_no_room_before_it_is_written()
    {
        var before = Environment.WorkingSet;
        var memory = new GuestMemory(64L << 30);
        memory.Ram.PageForWrite(memory.Ram.Pages - 1)[0] = 1;
        Assert.True(memory.Ram.IsTouched((memory.Ram.Pages - 1) / RamBlock.PagesPerChunk));
        Assert.False(memory.Ram.IsTouched(0));
        Assert.True(Environment.WorkingSet - before < 1L << 30);
        memory.Release();
    }

    [Fact]
    public void Writes_are_logged_only_while_the_log_is_on()
    {
        var memory = new GuestMemory(1 << 20);
        memory.Ram.Wrote(1);
        memory.StartLog();
        memory.Ram.Wrote(2);
        var found = new PageBitmap(memory.Ram.Pages);
        Assert.Equal(1, found.Collect(memory.Ram.Log!));
        Assert.True(found.IsSet(2));
        memory.StopLog();
        Assert.Null(memory.Ram.Log);
        memory.Ram.Wrote(3);
        memory.Release();
    }

    sealed class CountingHost : IHostMemory
    {
        readonly PortableHostMemory _inner = new PortableHostMemory();

        public long Released { get; private set; }

        public byte* Reserve(long length) => _inner.Reserve(length);

        public void ExpectDense(byte* address, long length) => _inner.ExpectDense(address, length);

        public void Release(byte* address, long length)
        {
            Released += length;
            _inner.Release(address, length);
        }
    }
}
