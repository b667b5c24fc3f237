using PsMigrate.ModuleTests.Pester;

namespace PsMigrate.ModuleTests;

/// <summary>A folder for small test files that the runner's own tests run.</summary>
sealed class PesterSandbox : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("psmigrate-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>A file with a single test of this body, which starts at line 3.</summary>
    public static string One(string body) => $"Describe 'D' {{\n    It 'does' {{\n{body}\n    }}\n}}\n";

    public string Write(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    public PesterFile Run(string text, TimeSpan? limit = null) =>
        PesterFile.Run(Write("One.Tests.ps1", text), limit ?? TimeSpan.FromMinutes(1));

    public PesterFile AllPass(string text)
    {
        var file = Run(text);
        Assert.Empty(file.Errors);
        Assert.NotEmpty(file.Tests);
        Assert.All(file.Tests, test => Assert.True(test.Outcome == PesterOutcome.Passed, $"{test.Title}: {test.Message}"));
        return file;
    }

    public void Passes(string body) => AllPass(One(body));

    /// <summary>Runs a single test that has to fail, and gives its message.</summary>
    public string Fails(string body)
    {
        var test = Assert.Single(Run(One(body)).Tests);
        Assert.Equal(PesterOutcome.Failed, test.Outcome);
        return test.Message;
    }

    /// <summary>Runs a file that has to be refused before a test of it runs, and gives the reasons.</summary>
    public string Refused(string text)
    {
        var file = Run(text);
        Assert.NotEmpty(file.Errors);
        Assert.DoesNotContain(file.Tests, test => test.Outcome == PesterOutcome.Passed);
        return string.Join('\n', file.Errors);
    }
}
