using PsMigrate.ModuleTests.Pester;
using Xunit.Sdk;

namespace PsMigrate.ModuleTests;

/// <summary>Every It of tests/Pester, run inside the hosted PowerShell engine.</summary>
public sealed class PesterTests
{
    [PesterFiles]
    public void Pester(string file, int index, string title)
    {
        var results = PesterFile.Results(Path.Combine(Repository.PesterFiles, file));
        if (index == PesterTestCase.WholeFile)
        {
            if (results.Errors.Count > 0) throw new XunitException(string.Join(Environment.NewLine, results.Errors));
            return;
        }

        var test = results.Tests.ElementAtOrDefault(index);
        if (test is null || $"{file} :: {test.Title}" != title)
            throw new XunitException($"{file} finds other tests at each discovery; here it found '{test?.Title}'.");
        if (test.Outcome == PesterOutcome.Skipped) throw new PesterSkippedException(test.Message);
        if (test.Outcome != PesterOutcome.Passed) throw new XunitException(test.Message);
    }
}
