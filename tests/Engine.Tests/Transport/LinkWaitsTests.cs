using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Transport;

/// <summary>What writing to a link waits for, as the link tells while it waits.</summary>
public sealed class LinkWaitsTests
{
    static readonly TimeSpan Long = TimeSpan.FromMilliseconds(500);

    [Theory]
    [MemberData(nameof(Links.Kinds), MemberType = typeof(Links))]
    public void One_that_nobody_reads_waits_for_the_other_end(string kind)
    {
        var (source, destination) = Links.Open(kind);
        var writer = Links.Run(() =>
        {
            try
            {
                var to = new WireWriter(source.Output);
                while (true)
                {
                    to.Bytes(new byte[1 << 15]);
                    to.Flush();
                }
            }
            catch (MigrationException)
            {
                return true;
            }
        });
        Patience.Until(() => source.Waits.Writing > Long, "a write that waits");
        // Also a system that tells does so for TCP alone.
        if (source.Waits.Busy is not null)
            Patience.Until(() => source.Waits is var waits && waits.Receiver > Long && waits.Receiver > waits.Busy / 2, "the other end to have no room");
        Assert.True(OperatingSystem.IsLinux() ? source.Waits.Busy is not null : source.Waits.Writing > Long);
        source.Abort();
        Assert.True(Links.Await(writer));
        destination.Dispose();
        source.Dispose();
    }

    [Fact]
    public void A_link_that_is_closed_tells_what_it_can()
    {
        var (source, destination) = Links.Open("tcp4");
        source.Dispose();
        destination.Dispose();
        Assert.True(source.Waits.Writing < Long);
    }
}
