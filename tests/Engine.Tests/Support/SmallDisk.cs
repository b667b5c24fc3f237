using System.Diagnostics;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>A file system of so many bytes at a path.</summary>
sealed class SmallDisk : IDisposable
{
    readonly string _path;

    /// <param name="path">Where.</param>
    /// <param name="size">As mount takes it, such as 2m.</param>
    public SmallDisk(string path, string size)
    {
        _path = path;
        Directory.CreateDirectory(path);
        Run("mount", "-t", "tmpfs", "-o", $"size={size}", "tmpfs", path);
    }

    public void Dispose() => Run("umount", "-l", _path);

    static void Run(string command, params string[] arguments)
    {
        using var process = Process.Start(command, arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }
}

/// <summary>A test that has to mount a file system.</summary>
[AttributeUsage(AttributeTargets.Method)]
sealed class RootTheoryAttribute : TheoryAttribute
{
    public RootTheoryAttribute() => Skip = Mounting.Reason!;
}

/// <inheritdoc cref="RootTheoryAttribute"/>
[AttributeUsage(AttributeTargets.Method)]
sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute() => Skip = Mounting.Reason!;
}

static class Mounting
{
    /// <summary>Why it can't be done here; null where it can.</summary>
    public static string? Reason { get; } =
        OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess ? null : "Only root on Linux can mount a small file system.";
}
