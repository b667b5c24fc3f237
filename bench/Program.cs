using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Questions;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench;

/// <summary>
/// One command for all measurements: <c>dotnet run -c Release --project bench -- all | NAME… [--runs 5]</c>. Peers are started
/// here and take turns with ours, so that a noisy minute hits both.
/// </summary>
static class Program
{
    static readonly IReadOnlyList<IQuestion> Questions =
    [
        new GateQuestion(), new ThroughputQuestion(), new QemuQuestion(), new UntouchedQuestion(), new DirtyLogQuestion(),
        new RatesQuestion(), new HostedQuestion(), new XbzrleQuestion(), new SwitchoverQuestion(),
    ];

    static int Main(string[] args)
    {
        try
        {
            if (args is [ReceiverRole.Name, var memory]) return ReceiverRole.Run(memory);
            if (args is [SwitchoverRole.Sends, ..]) return SwitchoverRole.Send(args[1..]);
            if (args is [SwitchoverRole.Receives]) return SwitchoverRole.Receive();
            var (names, runs) = Parse(args);
            if (names.Count == 0) return ShowHelp();
            return Ask(names, runs);
        }
        catch (BenchException e)
        {
            Console.Error.WriteLine($"bench: {e.Message}");
            return 1;
        }
        finally
        {
            Child.KillAll();
        }
    }

    static int Ask(List<string> names, int runs)
    {
        // Ctrl+C, SIGTERM and a fault of this program take the peers along, and end it in the usual way.
        AppDomain.CurrentDomain.UnhandledException += (_, _) => Child.KillAll();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Child.KillAll();
        Console.CancelKeyPress += (_, _) => Child.KillAll();
        var asked = names.Contains("all") ? Questions : [.. Questions.Where(question => names.Contains(question.Name))];
        var rows = new List<Row>();
        var failed = false;
        foreach (var question in asked)
        {
            Console.WriteLine($"{question.Name}: {question.Text}");
            var answer = Answer(question, runs);
            failed |= answer is null;
            rows.AddRange(answer ?? []);
        }
        if (rows.Count > 0)
        {
            Console.WriteLine();
            Console.Write(Table.Markdown(rows));
            ResultFile.Merge(rows);
        }
        return failed ? 1 : 0;
    }

    /// <summary>Null when the question failed; the others are still asked.</summary>
    static List<Row>? Answer(IQuestion question, int runs)
    {
        try
        {
            return [.. question.Ask(runs)];
        }
        catch (BenchException e)
        {
            Console.WriteLine($"  {question.Name}: {e.Message}");
            return e.IsSkip ? [] : null;
        }
        finally
        {
            Child.KillAll();
        }
    }

    static (List<string> Names, int Runs) Parse(string[] args)
    {
        var names = new List<string>();
        var runs = 5;
        for (var i = 0; i < args.Length; i++)
        {
            if (args[i] == "--runs")
            {
                if (++i == args.Length || !int.TryParse(args[i], out runs) || runs < 1) throw new BenchException("--runs takes a number from 1 on.");
            }
            else if (args[i] == "all" || Questions.Any(question => question.Name == args[i])) names.Add(args[i]);
            else throw new BenchException($"'{args[i]}' is no question; there are all, {string.Join(", ", Questions.Select(question => question.Name))}.");
        }
        return (names, runs);
    }

    static int ShowHelp()
    {
        Console.WriteLine("bench all | NAME... [--runs 5]");
        foreach (var question in Questions) Console.WriteLine($"  {question.Name,-12}{question.Text}");
        return 2;
    }
}
