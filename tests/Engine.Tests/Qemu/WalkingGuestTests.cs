using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PsMigrate.Engine.Tests.Qemu.Machines;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>The boot sectors are what their listings say, and its check finds what it is there to find.</summary>
public sealed class WalkingGuestTests
{
    static string Beside(string name, [CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "WalkingGuest", name));

    [Fact]
    public void The_sector_can_boot() =>
        Assert.Equal((512, 0x55, 0xaa), (WalkingGuest.Sector().Length, WalkingGuest.Sector()[510], WalkingGuest.Sector()[511]));

    [Theory]
    [InlineData("walker")]
    [InlineData("paced")]
    public void Each_sector_is_its_listing_assembled(string name)
    {
        // Without an assembler for x86 there is nothing to compare with; the bytes in the repository serve all the same.
        if (RuntimeInformation.OSArchitecture != Architecture.X64 || !HasTool("as") || !HasTool("objcopy")) return;
        var folder = Directory.CreateTempSubdirectory("psmigrate-as-").FullName;
        try
        {
            var (item, bytes) = (Path.Combine(folder, "sector.o"), Path.Combine(folder, "sector.bin"));
            Run("as", "--32", "-o", item, Beside($"{name}.s"));
            Run("objcopy", "-O", "binary", "-j", ".text", item, bytes);
            Assert.Equal(File.ReadAllBytes(bytes), File.ReadAllBytes(Beside($"{name}.bin")));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData(0, -1, "is at")]
    [InlineData(0, 1, "is at")]
    [InlineData(4, 1, "is wrong from byte 4")]
    [InlineData(4095, 1, "is wrong from byte 4092")]
    public void A_single_wrong_byte_is_found(int offset, int change, string message)
    {
        var program = new WalkingGuest { Pages = 4 };
        var ram = new byte[program.First + program.Pages * 4096];
        // 4 pages, 22 increments: 5 rounds, and two pages of the sixth.
        SetState(ram, counter: 22);
        for (var page = 0; page < 4; page++) ram[program.First + page * 4096] = (byte)(page < 2 ? 6 : 5);
        program.AssertConsistent(ram);
        ram[program.First + 2 * 4096]++;
        program.AssertConsistent(ram);
        ram[program.First + 2 * 4096]--;
        ram[program.First + 3 * 4096 + offset] = (byte)(ram[program.First + 3 * 4096 + offset] + change);
        Assert.Contains(message, Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => program.AssertConsistent(ram)).Message, StringComparison.Ordinal);
    }

    static void SetState(byte[] ram, long counter)
    {
        "PSMG"u8.CopyTo(ram.AsSpan(WalkingGuest.StateAddress));
        BitConverter.TryWriteBytes(ram.AsSpan(WalkingGuest.StateAddress + 8), counter);
    }

    static bool HasTool(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, name)));

    static void Run(string tool, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(tool, arguments) { RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEnd();
        Assert.True(process.WaitForExit(60_000), $"{tool} does not end.");
        Assert.True(process.ExitCode == 0, errors);
    }
}
