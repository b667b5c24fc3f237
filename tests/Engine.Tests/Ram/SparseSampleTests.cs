using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>What pages come to that are sent as the bytes which are not zero.</summary>
public sealed unsafe class SparseSampleTests : IDisposable
{
    readonly MemoryGuest _guest = TestGuests.Create(TestGuests.Options(GuestWorkload.Idle, rate: 0) with { Content = GuestContent.Zero, ContentSize = 0 });

    [Fact]
    public void Of_a_guest_without_content_nothing_is_known() => Assert.Equal(1, SparseSample.Share(_guest.Memory));

    [Fact]
    public void Dense_pages_take_all_of_their_size()
    {
        Fill((page, bytes) => new Random((int)page).NextBytes(bytes));
        Assert.Equal(1, SparseSample.Share(_guest.Memory));
    }

    [Fact]
    public void Pages_with_one_word_take_next_to_nothing()
    {
        Fill((page, bytes) => bytes[(int)(page % 4096)] = 1);
        Assert.InRange(SparseSample.Share(_guest.Memory), 0.0001, 0.01);
    }

    [Fact]
    public void Zero_pages_do_not_count_and_a_mix_lies_between()
    {
        Fill((page, bytes) =>
        {
            if (page % 3 == 0) new Random((int)page).NextBytes(bytes);
            if (page % 3 == 1) bytes[0] = 1;
        });
        Assert.InRange(SparseSample.Share(_guest.Memory), 0.35, 0.65);
    }

    public void Dispose() => GuestRegistry.Remove(_guest);

    void Fill(Action<long, byte[]> content)
    {
        var ram = _guest.Memory.Ram;
        for (long page = 0; page < ram.Pages; page++)
        {
            var bytes = new byte[GuestMemory.PageSize];
            content(page, bytes);
            bytes.CopyTo(new Span<byte>(ram.PageForWrite(page), GuestMemory.PageSize));
            ram.Wrote(page);
        }
    }
}
