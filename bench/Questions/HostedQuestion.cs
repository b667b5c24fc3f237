using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Questions;

/// <summary>The page path inside the hosted module.</summary>
sealed class HostedQuestion : IQuestion
{
    public string Name => "hosted";

    public string Text => "the page path inside psmigrate, against the same in this program";

    public IEnumerable<Row> Ask(int runs) => throw new BenchException("skipped: psmigrate is not built yet.", isSkip: true);
}
