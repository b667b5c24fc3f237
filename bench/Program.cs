using PsMigrate.Bench.Matrix;
using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Questions;
using PsMigrate.Bench.Report;
using PsMigrate.Bench.Soak;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench;

/// <summary>
/// One command for all measurements: <c>dotnet run -c Release --project bench -- all | targets | NAME… [--runs 5]</c>. Peers are started
/// here and take turns with ours, so that a noisy minute hits both.
/// </summary>
static class Program
{
    static readonly IReadOnlyList<IQuestion> Questions =
    [
        new GateQuestion(),
        // In the order of the target table.
        new ThroughputQuestion(), new QemuQuestion(), new PrefaultedQuestion(), new UnixQuestion(), new ChannelsQuestion(), new UntouchedQuestion(),
        new ZerosQuestion(), new CompressionQuestion(), new DirtyingQuestion(), new BusyQuestion(), new MixedQuestion(), new LocalQuestion(),
        new BitmapQuestion(),
        new DirtyLogQuestion(), new DirtyCurveQuestion(), new PostcopyCheckQuestion(), new RatesQuestion(), new HostedQuestion(), new XbzrleQuestion(),
        new LargeQuestion(), new SwitchoverQuestion(), new TlsQuestion(), new ReplayQuestion(),
    ];

    static int Main(string[] args)
    {
        try
        {
            if (args is [ReceiverRole.Name, var memory, var uri, .. var tls]) return ReceiverRole.Run(memory, uri, tls.FirstOrDefault());
            if (args is [SwitchoverRole.Sends, ..]) return SwitchoverRole.Send(args[1..]);
            if (args is [SoakSide.Name]) return SoakSide.Run();
            if (args is [ConvergenceCommand.Name, ..]) return ConvergenceCommand.Run(args.AsSpan(1));
            if (args is [SoakCommand.Name, ..]) return SoakCommand.Run(args.AsSpan(1));
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
        IQuestion[] asked = [.. Questions.Where(question => names.Contains("all") || names.Contains(question.Name) || (names.Contains("targets") && question.IsTarget))];
        var rows = new List<Row>();
        var failed = false;
        foreach (var question in asked)
        {
            Console.WriteLine($"{question.Name}: {question.Text}");
            failed |= !TryAnswer(question, runs, rows);
        }
        if (rows.Count > 0)
        {
            Console.WriteLine();
            Console.Write(Table.Markdown(rows));
            Console.WriteLine();
            Console.Write(Table.Notes(rows, onlyMissed: false));
            ResultFile.Merge(rows);
        }
        return failed ? 1 : 0;
    }

    /// <summary>False when the question failed; the others are still asked.</summary>
    static bool TryAnswer(IQuestion question, int runs, List<Row> rows)
    {
        try
        {
            foreach (var row in question.Ask(runs)) rows.Add(row);
            return true;
        }
        catch (Exception e) when (e is BenchException or MigrationException or IOException)
        {
            Console.WriteLine($"  {question.Name}: {e.Message}");
            return e is BenchException { IsSkip: true };
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
            else if (args[i] is "all" or "targets" || Questions.Any(question => question.Name == args[i])) names.Add(args[i]);
            else throw new BenchException($"'{args[i]}' is no question; there are all, targets, {string.Join(", ", Questions.Select(question => question.Name))}.");
        }
        return (names, runs);
    }

    static int ShowHelp()
    {
        Console.WriteLine("bench all | targets | NAME... [--runs 5]");
        Console.WriteLine($"bench {SoakCommand.Text}");
        Console.WriteLine($"bench {ConvergenceCommand.Text}");
        foreach (var question in Questions) Console.WriteLine($"  {question.Name,-12}{question.Text}");
        return 2;
    }
}
