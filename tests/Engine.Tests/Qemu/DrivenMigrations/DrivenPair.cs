using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>Two QEMUs, the first with a guest that dirties its memory and is connected, the second waiting for it.</summary>
sealed class DrivenPair : IDisposable
{
    // Two processes' worth of pages a second would keep up with no limit below.
    static readonly WalkingGuest Walker = new() { Pages = 8192, Delay = 5000, Seed = 7 };

    // It outruns the limit also where it has a processor for a tenth of the time.
    static readonly WalkingGuest Runner = Walker with { Delay = 1000 };

    // What a guest asks for in postcopy comes as fast as it asks: this one, of some 2 MB/s, does not have its memory for a quarter of a minute.
    static readonly WalkingGuest Stroller = Walker with { Delay = 1_000_000 };

    /// <param name="binary">The QEMU of both ends.</param>
    /// <param name="machine">Their machine type.</param>
    /// <param name="destination">What is other at the second.</param>
    /// <param name="isSlow">Whether the link is slower than the guest writes.</param>
    /// <param name="forPostcopy">A guest that writes so slowly, over a link so slow, that it is in its first pass, and then in postcopy, while a test does something.</param>
    public DrivenPair(string binary, string machine = "pc", Func<QemuOptions, QemuOptions>? destination = null, bool isSlow = true, bool forPostcopy = false)
    {
        Parameters = new MigrationParameters { MaxBandwidth = forPostcopy ? 4_000_000 : isSlow ? 20_000_000 : 0, MaxDowntime = TimeSpan.FromMilliseconds(1) };
        var options = new QemuOptions(binary) { Machine = machine, Program = forPostcopy ? Stroller : isSlow ? Runner : Walker };
        Source = new QemuMachine(options);
        try
        {
            Destination = new QemuMachine((destination ?? (same => same))(options.Awaiting()));
            Guest = QemuGuest.Connect(Source.QmpUri, $"driven-{Guid.NewGuid():N}");
            Source.WaitForCounter(Steps(Source, 2));
            Parameters = Parameters with { DestinationQmp = Destination.QmpUri.ToString() };
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public QemuMachine Source { get; }

    public QemuMachine Destination { get; } = null!;

    public QemuGuest Guest { get; } = null!;

    /// <summary>What tests start from: a link that the guest outruns for a while, both ends driven.</summary>
    public MigrationParameters Parameters { get; }

    public Migration Start(MigrationParameters? parameters = null, string destination = "tcp:127.0.0.1:0") =>
        Migration.Start(Guest, MigrationUri.Parse(destination), parameters ?? Parameters);

    /// <summary>Starts, and returns when so many passes have ended.</summary>
    public Migration StartAndPass(int passes, MigrationParameters? parameters = null, string destination = "tcp:127.0.0.1:0")
    {
        var migration = Start(parameters, destination);
        for (var i = 0; i < passes; i++)
        {
            Assert.True(migration.TryTakeIteration(out var iteration, Patience.Limit), "No pass.");
            Assert.False(iteration.IsFinal, $"It ended already: {iteration.Result}");
        }
        return migration;
    }

    /// <summary>Starts, and returns in the first pass.</summary>
    public Migration StartFirstPass(MigrationParameters parameters, string destination = "tcp:127.0.0.1:0")
    {
        var migration = Start(parameters, destination);
        Await(migration, MigrationStatus.Active);
        return migration;
    }

    public static MigrationResult End(Migration migration)
    {
        Assert.True(migration.Wait(Patience.Limit), $"It does not end: {string.Join(" ", migration.GetState().QemuStates)}");
        return migration.Result!;
    }

    /// <summary>Returns when the migration is in this state.</summary>
    public static void Await(Migration migration, MigrationStatus status) => Poll.Until(() =>
    {
        if (migration.Result is { } result) Assert.Fail($"It ended: {result}; {Story(migration)}");
        return migration.Status == status;
    }, $"the migration is {status}; it is {migration.Status}");

    public static string Story(Migration migration) => string.Join(" | ", migration.GetState().Decisions.Select(one => $"{one.What}: {one.From} -> {one.To} ({one.Reason})"))
        + " | " + string.Join(" ", migration.GetState().QemuStates);

    /// <summary>What a policy decided, or an answer to a pass.</summary>
    public static MigrationDecision[] Decided(Migration migration) => [.. migration.GetState().Decisions.Where(one => one.Policy.Length > 0)];

    public static MigrationPolicy Policy(double startDowntime, params (string Then, string When)[] rules) => new()
    {
        Name = "test", StartDowntime = startDowntime,
        Rules = [.. rules.Select(rule => new PolicyRule { Then = PolicyAction.Parse(rule.Then), When = rule.When.Length == 0 ? [] : [PolicyCondition.Parse(rule.When)] })],
    };

    /// <summary>The guest runs there, goes on counting from where it was, and nowhere else; its memory is what its counter says.</summary>
    public static void AssertRunsOnlyAt(QemuMachine here, QemuMachine elsewhere)
    {
        Poll.Until(() => here.RunState == "running", "the guest runs");
        Assert.False(Runs(elsewhere), "It runs twice.");
        here.WaitForCounter(Steps(here, 1));
        here.Stop();
        here.Options.Program!.AssertConsistent(here.Memory());
    }

    static bool Runs(QemuMachine machine)
    {
        try
        {
            return !machine.HasExited && machine.RunState == "running";
        }
        catch (MigrationException) when (machine.Qmp.IsClosed)
        {
            // A destination whose migration was cancelled ends, also between the two questions.
            Poll.Until(() => machine.HasExited, "the QEMU that closed its QMP to end");
            return false;
        }
    }

    /// <summary>So many times around its memory, for a guest that is quick.</summary>
    static long Steps(QemuMachine machine, int rounds) => machine.Options.Program == Stroller ? 100 : (long)rounds * Walker.Pages;

    public void Dispose()
    {
        Guest?.LetGo();
        Destination?.Dispose();
        Source.Dispose();
    }
}
