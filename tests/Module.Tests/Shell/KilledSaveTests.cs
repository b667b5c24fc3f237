namespace PsMigrate.ModuleTests.Shell;

/// <summary>A process that is killed while it saves leaves whole files and nothing else.</summary>
public sealed class KilledSaveTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("psmigrate-killed-").FullName;

    [Theory]
    [InlineData("Stream")]
    [InlineData("MappedRam")]
    public void What_is_there_is_whole(string layout)
    {
        // Nameless files are Linux's; elsewhere one stays that says by its name what it is.
        if (!OperatingSystem.IsLinux()) return;
        using (var shell = new ShellProcess("-Command", $$"""
            $guest = New-MigrationGuest killed 64MB -Content Random -Suspended -PassThru
            [Console]::Out.WriteLine("DIGEST $($guest.Digest())")
            for ($i = 1000; ; $i++) { $null = Save-MigrationGuest killed "{{_folder}}/$i" -Layout {{layout}} }
            """))
        {
            var digest = shell.WaitForLine("DIGEST");
            Assert.True(SpinWait.SpinUntil(() => Files.Length >= 4 || shell.Process.HasExited, TimeSpan.FromSeconds(60)), shell.Output);
            Assert.False(shell.Process.HasExited, shell.Output);
            shell.Signal("KILL");
            Assert.Equal(137, shell.WaitForExit());
            var names = string.Join(",", Files.Select(file => $"'{file}'"));
            var (exitCode, output) = ShellProcess.Run("-Command", $$"""
                $i = 0
                foreach ($file in {{names}}) { "$((Restore-MigrationGuest $file -Name "back-$(($i++))").Digest())" }
                """);
            Assert.Equal(0, exitCode);
            Assert.Equal(Enumerable.Repeat(digest, Files.Length), output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        }
    }

    string[] Files => Directory.GetFiles(_folder);

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
