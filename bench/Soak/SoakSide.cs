using System.Text.Json;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Soak;

/// <summary>One of the two processes between which the fleet goes to and fro: a receiver, the guests that are here, and what sends them.</summary>
static class SoakSide
{
    public const string Name = "soak-side";

    static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    static readonly Lock Console = new();

    /// <summary>Says where its receiver listens; then answers until its input ends.</summary>
    public static int Run()
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions
        {
            FirstWordTimeout = Patience, IdleTimeout = Patience, RunTimeout = Patience, RecoverTimeout = TimeSpan.FromMinutes(10), MaxMigrations = 256,
        });
        Say(receiver.Uri.ToString());
        while (System.Console.In.ReadLine() is { } line)
        {
            var request = JsonSerializer.Deserialize<SoakRequest>(line)!;
            new Thread(() => Answer(request)) { IsBackground = true, Name = $"soak {request.Verb} {request.Name}" }.Start();
        }
        // The other side may be gone already; nothing is compared any more.
        Environment.Exit(0);
        return 0;
    }

    static void Answer(SoakRequest request)
    {
        SoakAnswer answer;
        try
        {
            answer = Do(request);
        }
#pragma warning disable CA1031 // Whatever it is, who asked must learn of it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            answer = new SoakAnswer(request.Number) { Error = e is MigrationException typed ? typed.Id.ToString() : e.GetType().Name, Message = e.Message };
        }
        Say(JsonSerializer.Serialize(answer));
    }

    static SoakAnswer Do(SoakRequest request)
    {
        switch (request.Verb)
        {
            case SoakVerb.Create:
                return Picture(request, GuestRegistry.Create(SoakGuests.Options(request.Guest)));
            case SoakVerb.Migrate:
                return Migrate(request, request.Journey!);
            case SoakVerb.Recover:
                var paused = MigrationRegistry.Find(request.Migration)!;
                paused.Recover(MigrationUri.Parse(request.Uri));
                return AwaitEnd(request, paused);
            case SoakVerb.Look:
                return Picture(request, Find(request.Name));
            case SoakVerb.Resume:
                Find(request.Name)?.Resume();
                return Picture(request, Find(request.Name));
            case SoakVerb.StopAt:
                Find(request.Name)?.StopAtTick(request.Tick);
                return Picture(request, Find(request.Name));
            case SoakVerb.Report:
                return new SoakAnswer(request.Number) { Message = Report() };
            default:
                return Picture(request, Find(request.Name)) with { Digest = Find(request.Name)?.Digest() ?? "" };
        }
    }

    static SoakAnswer Migrate(SoakRequest request, SoakJourney journey)
    {
        var guest = Find(request.Name) ?? throw new BenchException($"{request.Name} is not here.");
        var mode = Enum.Parse<MigrationMode>(journey.Mode);
        var migration = Migration.Start(guest, MigrationUri.Parse(request.Uri), new MigrationParameters
        {
            Mode = mode, Postcopy = mode != MigrationMode.Precopy, Channels = journey.Channels,
            Peer = journey.Channels > 0 ? PeerKind.PsMigrate : PeerKind.Unknown,
            // Slow enough that faults find it at work.
            MaxBandwidth = 64 << 20, ConnectTimeout = Patience, AnswerTimeout = Patience, SettleTimeout = TimeSpan.FromSeconds(1),
        });
        if (journey.Act != SoakAct.None && !migration.Wait(TimeSpan.FromMilliseconds(journey.ActAfter))) Act(migration, journey.Act);
        return AwaitEnd(request, migration);
    }

    /// <summary>It may have gone too far for it, which is in order.</summary>
    static void Act(Migration migration, SoakAct act)
    {
        try
        {
            if (act == SoakAct.Cancel) migration.Cancel();
            else if (act == SoakAct.Complete) migration.Complete();
            else if (act == SoakAct.Switch) migration.SwitchToPostcopy();
            else migration.Pause();
        }
        catch (MigrationException e) when (e.Id == MigrationErrorId.InvalidState)
        {
        }
    }

    static SoakAnswer AwaitEnd(SoakRequest request, Migration migration)
    {
        while (!migration.Wait(TimeSpan.FromMilliseconds(50)))
            if (migration.Status == MigrationStatus.PostcopyPaused) return Word(request, migration, migration.GetState().Location);
        return Word(request, migration, migration.Result!.Location);
    }

    static SoakAnswer Word(SoakRequest request, Migration migration, GuestLocation location) => new(request.Number)
    {
        Migration = migration.Id, State = migration.Status.ToString(), Location = location.ToString(),
        Error = migration.Result?.Error?.Id.ToString() ?? "", Message = migration.Result?.Error?.Message ?? "",
    };

    static string Report() => string.Join('\n',
    [
        .. MigrationRegistry.All.Where(one => !one.IsEnded).Select(one => Describe(one.GetState())),
        .. ReceiverRegistry.All.SelectMany(one => one.GetState().Incoming).Select(one => $"in:  {one.Name} {one.State}, {one.ReceivedBytes} bytes, {one.MissingPages} pages missing"),
    ]);

    static string Describe(MigrationState state) =>
        $"out: {state.Name} {state.State} in {state.Phase} after {state.Current.TotalTime}, {state.Current.TransferredBytes} bytes, {state.Current.RemainingBytes} left, "
            + string.Join("; ", state.Decisions.Select(one => $"{one.Time} {one.What}: {one.From} -> {one.To}, {one.Reason}"));

    static SoakAnswer Picture(SoakRequest request, MemoryGuest? guest) =>
        new(request.Number) { State = guest?.State.ToString() ?? "", Ticks = guest?.Ticks ?? [] };

    static MemoryGuest? Find(string name) => (MemoryGuest?)GuestRegistry.Find(GuestRegistry.DefaultHost, name);

    static void Say(string line)
    {
        lock (Console) System.Console.WriteLine(line);
    }
}
