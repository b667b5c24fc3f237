using Xunit.Abstractions;
using Xunit.Sdk;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>Marks the method that stands for all Pester tests: each It of each file becomes a test case of its own.</summary>
[AttributeUsage(AttributeTargets.Method)]
[XunitTestCaseDiscoverer("PsMigrate.ModuleTests.Pester.PesterCaseDiscoverer", "PsMigrate.Module.Tests")]
public sealed class PesterFilesAttribute : FactAttribute;

/// <summary>Runs the discovery of every test file, so that a report names its tests.</summary>
public sealed class PesterCaseDiscoverer(IMessageSink diagnostics) : IXunitTestCaseDiscoverer
{
    /// <inheritdoc/>
    public IEnumerable<IXunitTestCase> Discover(
        ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo factAttribute)
    {
        foreach (var path in Directory.EnumerateFiles(Repository.PesterFiles, "*.Tests.ps1").Order(StringComparer.Ordinal))
        {
            var name = Path.GetFileName(path);
            // A file has one more case than tests: for what belongs to none of them, such as a failed discovery or tear-down.
            yield return new PesterTestCase(
                diagnostics, testMethod, name, PesterTestCase.WholeFile, $"{name} :: runs from end to end", null);
            foreach (var test in PesterFile.Discover(path).Tests)
                yield return new PesterTestCase(diagnostics, testMethod, name, test.Index, $"{name} :: {test.Title}",
                    test.Outcome == PesterOutcome.Skipped ? "Marked with -Skip." : null);
        }
    }
}
