using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Tests.Qemu.Machines;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>
/// QEMU to QEMU, without the product: that the test guest survives every kind of migration with its memory right, so that a test with
/// the product in between has only the product to blame.
/// </summary>
public sealed class QemuToQemuTests
{
    static readonly WalkingGuest Program = new() { First = 16 << 20, Pages = 4096, Seed = 5 };

    [QemuTheory]
    [MemberData(nameof(QemuRows.Machines), MemberType = typeof(QemuRows))]
    public void A_running_guest_goes_on_from_where_it_stopped(string binary, string machine) =>
        Migrate(new QemuOptions(binary) { Machine = machine, Uuid = Guid.NewGuid() });

    [QemuTheory]
    [MemberData(nameof(QemuRows.Machines), MemberType = typeof(QemuRows))]
    public void With_a_return_path_and_XBZRLE(string binary, string machine)
    {
        var figures = Migrate(new QemuOptions(binary) { Machine = machine }, "return-path", "xbzrle");
        Assert.True(figures.XbzrleCache?.Pages > 0, "No page went as a difference.");
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Machines), MemberType = typeof(QemuRows))]
    public void With_two_multifd_channels(string binary, string machine)
    {
        var figures = Migrate(new QemuOptions(binary) { Machine = machine }, "multifd");
        Assert.True(figures.Ram?.MultifdBytes > Program.Pages * 4096L, "The pages went another way.");
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Pairs), MemberType = typeof(QemuRows))]
    public void From_one_version_to_another(string binary, string other) =>
        Migrate(new QemuOptions(binary) { Machine = "pc-i440fx-7.2" }, new QemuOptions(other) { Machine = "pc-i440fx-7.2" });

    [PostcopyTheory]
    [MemberData(nameof(QemuRows.Machines), MemberType = typeof(QemuRows))]
    public void With_postcopy(string binary, string machine)
    {
        var options = new QemuOptions(binary) { Machine = machine, Program = Program };
        using var source = new QemuMachine(options);
        using var destination = new QemuMachine(options.Awaiting());
        foreach (var one in new[] { source, destination }) one.SetCapabilities("postcopy-ram");
        source.EnsureNonConverge();
        // At this rate the working set takes 16 s, so the guest gets to a page before the page gets to it.
        source.SetParameters(("max-postcopy-bandwidth", 1 << 20));
        source.WaitForCounter();
        source.Migrate(destination.Listen());
        source.WaitForIterations(2);
        source.Execute("migrate-start-postcopy");
        Poll.Until(() => source.Migration.Ram?.PostcopyRequests > 0, "a page is asked for");
        source.SetParameters(("max-postcopy-bandwidth", 10_000_000_000));
        source.WaitForMigration();
        destination.WaitForMigration();
        AssertGoesOn(source, destination);
    }

    static QemuMigrationInfo Migrate(QemuOptions options, params string[] capabilities) => Migrate(options, options, capabilities);

    /// <summary>Gives query-migrate's answer at the source.</summary>
    static QemuMigrationInfo Migrate(QemuOptions here, QemuOptions there, params string[] capabilities)
    {
        using var source = new QemuMachine(here with { Program = Program, HasRamFile = true });
        using var destination = new QemuMachine((there with { Program = Program, Paused = true }).Awaiting());
        foreach (var one in new[] { source, destination })
        {
            one.SetCapabilities([.. capabilities, "events"]);
            if (capabilities.Contains("multifd")) one.SetParameters(("multifd-channels", 2));
        }
        source.EnsureNonConverge();
        source.WaitForCounter();
        source.Migrate(destination.Listen());
        source.WaitForIterations(3);
        source.EnsureConverge();
        source.WaitForMigration();
        destination.WaitForMigration();
        Assert.Equal("postmigrate", source.RunState);
        Assert.Contains("MIGRATION", destination.EventNames);

        var ram = source.Ram();
        Program.AssertConsistent(ram);
        Assert.Empty(RamImage.Differences(source, ram));
        Assert.Empty(RamImage.Differences(destination, ram));
        destination.Continue();
        AssertGoesOn(source, destination);
        return source.Migration;
    }

    static void AssertGoesOn(QemuMachine source, QemuMachine destination)
    {
        Assert.Equal("running", destination.RunState);
        var since = source.PhysicalCounter();
        Assert.True(destination.PhysicalCounter() >= since, "The guest went back in time.");
        destination.WaitForCounter(2 * Program.Pages);
        destination.Stop();
        Program.AssertConsistent(destination.Memory());
    }
}
