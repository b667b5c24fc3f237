namespace PsMigrate.ModuleTests.Shell;

/// <summary>The scripts in examples, run as they are.</summary>
public sealed class ExampleTests
{
    [Fact]
    public void A_first_migration_arrives_with_every_byte() =>
        Assert.Contains("Completed: the guest is Running on host rack2", Run("first-migration", "-MemorySize", "64MB"), StringComparison.Ordinal);

    [Fact]
    public void A_host_is_emptied()
    {
        var output = Run("evacuate", "-Guests", "2");
        Assert.Contains("is Completed.", output, StringComparison.Ordinal);
        Assert.Contains("Left on rack1: 0. On rack2: 2.", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_guest_goes_from_one_process_to_another() =>
        Assert.Contains("Here there are now 0 guests of that name.", Run("two-processes", "-MemorySize", "64MB"), StringComparison.Ordinal);

    [Fact]
    public void A_guest_goes_over_before_its_memory_and_a_broken_link_loses_nothing()
    {
        var output = Run("postcopy", "-MemorySize", "64MB", "-Writes", "20000");
        Assert.Contains("The link is broken: PostcopyPaused.", output, StringComparison.Ordinal);
        Assert.Contains("Completed: the guest stood still for", output, StringComparison.Ordinal);
        Assert.Contains("Digest of the guest that stayed:", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_migration_is_recorded_and_compared()
    {
        var output = Run("compare-policies", "-MemorySize", "64MB");
        Assert.Contains("pass 3:", output, StringComparison.Ordinal);
        Assert.Contains("Postcopy: It would have ended, after", output, StringComparison.Ordinal);
        Assert.Contains("240 MB/s: It would have", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_script_decides_on_the_way()
    {
        var output = Run("decide");
        Assert.Contains("Throttle: 20 % → 40 %. The answer to pass", output, StringComparison.Ordinal);
        Assert.Contains("DowntimeLimit: 20 ms → 2000 ms. The answer to pass", output, StringComparison.Ordinal);
        Assert.Contains("Completed, verified: True", output, StringComparison.Ordinal);
    }

    [QemuFact]
    public void A_guest_of_a_QEMU_is_driven_to_another_one()
    {
        var output = Run("drive-qemu");
        Assert.Contains("Completed: the guest is Running at the destination, and PostMigrate at the source.", output, StringComparison.Ordinal);
        Assert.Contains(" active ", output, StringComparison.Ordinal);
    }

    [QemuFact]
    public void A_guest_of_a_QEMU_is_captured_and_handed_on()
    {
        var output = Run("capture-qemu");
        Assert.Contains("Captured, pc-i440fx-", output, StringComparison.Ordinal);
        Assert.Contains("It is Running there.", output, StringComparison.Ordinal);
    }

    static string Run(string example, params string[] arguments)
    {
        var (exitCode, output) = ShellProcess.Run(["-File", Path.Combine(Repository.Root, "examples", $"{example}.ps1"), .. arguments]);
        Assert.True(exitCode == 0, $"Exit code {exitCode}:\n{output}");
        return output;
    }
}

/// <summary>A test that starts a QEMU, as tests/Pester/qemu.ps1 finds it.</summary>
[AttributeUsage(AttributeTargets.Method)]
sealed class QemuFactAttribute : FactAttribute
{
    public QemuFactAttribute()
    {
        var candidates = Environment.GetEnvironmentVariable("PSMIGRATE_QEMU") is { Length: > 0 } named
            ? named.Split(Path.PathSeparator)
            : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(folder => Path.Combine(folder, "qemu-system-x86_64"));
        if (!candidates.Any(File.Exists)) Skip = "No qemu-system-x86_64: install it, or name one in PSMIGRATE_QEMU.";
    }
}
