using System.Reflection;
using System.Reflection.Emit;

namespace PsMigrate.ModuleTests.Shell;

/// <summary>The module brings its own zstd along, whatever another one has loaded under that name.</summary>
public sealed class ZstdContextTests : IDisposable
{
    const string Migrate = """
        $receiver = Start-MigrationReceiver -HostName there
        New-MigrationGuest packed 8MB -Content Text -Suspended
        $last = (Start-VmMigration packed $receiver -Channels 2 -Compression Zstd -Verify)[-1]
        "$($last.Result.State) $($last.Compression.Pages) $($last.Result.SourceDigest -eq $last.Result.DestinationDigest)"
        $contexts = foreach ($assembly in [AppDomain]::CurrentDomain.GetAssemblies()) {
            if ($assembly.GetName().Name -eq 'ZstdSharp') {
                "$($assembly.GetName().Version) in $([System.Runtime.Loader.AssemblyLoadContext]::GetLoadContext($assembly).Name)"
            }
        }
        $contexts -join ', '
        """;

    readonly string _folder = Directory.CreateTempSubdirectory("psmigrate-zstd-").FullName;

    [Fact]
    public void A_guest_goes_through_zstd_both_ways_in_the_module_as_it_is_laid_out() =>
        Assert.Equal(["Completed 2048 True", "0.8.8.0 in PsMigrate zstd"], Run(Migrate));

    [Theory]
    [InlineData("0.1.0.0")]
    [InlineData("0.8.8.0")]
    [InlineData("99.0.0.0")]
    public void Another_one_that_was_there_first_is_left_alone_and_does_no_harm(string version)
    {
        var path = Path.Combine(_folder, "ZstdSharp.dll");
        var other = new PersistedAssemblyBuilder(new AssemblyName($"ZstdSharp, Version={version}"), typeof(object).Assembly);
        other.DefineDynamicModule("ZstdSharp").DefineType("ZstdSharp.Unsafe.Methods", TypeAttributes.Public).CreateType();
        other.Save(path);
        Assert.Equal(
            ["Completed 2048 True", $"{version} in Default, 0.8.8.0 in PsMigrate zstd"],
            Run($"$null = [System.Reflection.Assembly]::LoadFrom('{path}')\n{Migrate}"));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    static string[] Run(string command)
    {
        var (exitCode, output) = ShellProcess.Run("-Command", command);
        Assert.True(exitCode == 0, output);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }
}
