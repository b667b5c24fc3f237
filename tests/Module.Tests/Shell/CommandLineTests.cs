namespace PsMigrate.ModuleTests.Shell;

/// <summary>psmigrate as a program: arguments, exit codes, errors.</summary>
public sealed class CommandLineTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("psmigrate-shell-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    string Script(string text)
    {
        var path = Path.Combine(_folder, "script.ps1");
        File.WriteAllText(path, text);
        return path;
    }

    [Fact]
    public void A_script_gets_its_arguments_and_knows_where_it_is()
    {
        var path = Script("param([string] $Name, [switch] $Quick, [int[]] $Numbers)\n\"$Name|$Quick|$Numbers|$PSScriptRoot\"");
        var (exitCode, output) = ShellProcess.Run("-File", path, "-Name", "web 01", "-Quick", "-Numbers", "3");
        Assert.Equal(0, exitCode);
        Assert.Contains($"web 01|True|3|{_folder}", output);
    }

    [Theory]
    [InlineData("exit 5", 5)]
    [InlineData("throw 'no'", 1)]
    [InlineData("'fine'", 0)]
    [InlineData("Get-MigrationGuest nobody; 'goes on'", 0)]
    public void The_exit_code_of_a_script_is_what_it_says(string script, int expected)
    {
        var (exitCode, output) = ShellProcess.Run("-File", Script(script));
        Assert.True(expected == exitCode, $"{exitCode}: {output}");
    }

    [Fact]
    public void A_script_that_is_not_there_is_an_error_of_usage()
    {
        var (exitCode, output) = ShellProcess.Run("-File", Path.Combine(_folder, "missing.ps1"));
        Assert.Equal(64, exitCode);
        Assert.Contains("missing.ps1", output);
    }

    [Fact]
    public void Errors_name_their_id()
    {
        var (_, output) = ShellProcess.Run("-Command", "Get-MigrationGuest nobody -ErrorVariable e -ErrorAction SilentlyContinue; \"ID $($e[0].FullyQualifiedErrorId)\"");
        Assert.Contains("ID GuestNotFound,PsMigrate.Commands.GetMigrationGuestCommand", output);
    }
}
