using System.Collections.Concurrent;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>What a report shows of one test.</summary>
sealed record PesterResult(int Index, string Title, PesterOutcome Outcome, string Message);

/// <summary>A test file, run once however many of its tests are asked for.</summary>
sealed class PesterFile
{
    /// <summary>Longer than any file needs; a file that takes it hangs.</summary>
    static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    static readonly ConcurrentDictionary<string, Lazy<PesterFile>> Ran = new();

    PesterFile(IReadOnlyList<PesterResult> tests, IReadOnlyList<string> errors) => (Tests, Errors) = (tests, errors);

    public IReadOnlyList<PesterResult> Tests { get; }

    /// <summary>What went wrong with the file as a whole, such as its discovery or a tear-down.</summary>
    public IReadOnlyList<string> Errors { get; }

    /// <summary>Finds the tests of a file without running them.</summary>
    public static PesterFile Discover(string path) => Work(path, run: false, Limit);

    /// <summary>The results of a file, which is run when they are asked for first.</summary>
    public static PesterFile Results(string path) =>
        Ran.GetOrAdd(path, p => new Lazy<PesterFile>(() => Work(p, run: true, Limit))).Value;

    /// <summary>Runs a file in an engine of its own.</summary>
    public static PesterFile Run(string path, TimeSpan limit) => Work(path, run: true, limit);

    static PesterFile Work(string path, bool run, TimeSpan limit)
    {
        Repository.PointToModule();
        using var session = new PesterSession(path);
        session.Discover(limit);
        if (run && session.Errors.Count == 0) session.Run(limit);
        return new PesterFile(
            [.. session.Tests.Select((test, index) => new PesterResult(index, test.Path, test.Outcome, test.Message))],
            [.. session.Errors]);
    }
}
