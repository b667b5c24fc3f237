using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>Pages that change between zero and data while the migration goes on arrive as they are at the stop.</summary>
public sealed class PageTransitionTests
{
    const int Pages = 512;

    [Theory]
    [InlineData(new byte[] { 0, 5 })]
    [InlineData(new byte[] { 5, 0 })]
    [InlineData(new byte[] { 0, 5, 0 })]
    [InlineData(new byte[] { 5, 0, 6 })]
    [InlineData(new byte[] { 5, 6, 0, 0, 7, 0 })]
    public void Pages_of_several_passes_hold_their_last_value(byte[] values)
    {
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Idle, Pages * GuestMemory.PageSize) with { Content = GuestContent.Zero });
        // Less than a page may be left: every pass but the last must find nothing.
        rig.Parameters = rig.Parameters with { PauseBeforeSwitchover = true, SwitchoverBandwidth = 1000, MaxDowntime = TimeSpan.FromSeconds(1) };
        Write(rig.Guest, values[0]);
        var next = 1;
        var stopped = new ManualResetEventSlim();
        // Between two passes: the log is read in Pending, so a write before it begins is found there.
        rig.PhaseEntered = phase =>
        {
            if (phase == MigrationPhase.Pending && next < values.Length && rig.Outgoing!.GetState().Current.RemainingBytes == 0)
                Write(rig.Guest, values[next++]);
            if (phase == MigrationPhase.StopGuest) stopped.Set();
        };
        rig.Start();
        Patience.For(stopped, "the last pass");
        Assert.Equal(values.Length, next);
        rig.Outgoing!.Complete();
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        for (long page = 0; page < Pages; page++)
            Assert.Equal(values[^1] == 0 ? 0 : (byte)(values[^1] + page), rig.Arrived!.Memory.Ram.Page(page)[(int)page]);
    }

    [Fact]
    public void A_guest_of_zeros_sends_zero_records_only_and_takes_no_room_there()
    {
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Idle) with { Content = GuestContent.Zero });
        var result = rig.Finish();
        Assert.True(result.Verified);
        var pages = rig.Options.MemorySize / GuestMemory.PageSize;
        Assert.Equal((0, pages), (rig.Arrival!.NormalPages, rig.Arrival.ZeroPages));
        for (long chunk = 0; chunk < pages / RamBlock.PagesPerChunk; chunk++) Assert.False(rig.Arrived!.Memory.Ram.IsTouched(chunk));
    }

    static unsafe void Write(MemoryGuest guest, byte value) => guest.AtTickBoundary(() =>
    {
        for (long page = 0; page < Pages; page++)
        {
            guest.Memory.Ram.PageForWrite(page)[page] = value == 0 ? (byte)0 : (byte)(value + page);
            guest.Memory.Ram.Wrote(page);
        }
        return true;
    });
}
