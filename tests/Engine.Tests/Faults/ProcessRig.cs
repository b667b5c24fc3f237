using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>A source here and a receiver in a process of its own, with a link between that can be held up and tapped.</summary>
sealed class ProcessRig : IDisposable
{
    readonly GuestOptions _options = TestGuests.Options(rate: 2 * TestGuests.MiB);

    public ProcessRig()
    {
        Receiver = OtherProcess.Receiver();
        Proxy = new FaultProxy(Receiver.Uri);
        Guest = TestGuests.Create(_options);
    }

    public OtherProcess Receiver { get; }

    public FaultProxy Proxy { get; }

    public MemoryGuest Guest { get; }

    public MigrationParameters Parameters { get; set; } = new() { Verify = true, SettleTimeout = TimeSpan.Zero, ConnectTimeout = TimeSpan.FromSeconds(5) };

    public Action<MigrationPhase>? PhaseEntered { get; set; }

    /// <summary>Called when RUN is about to leave.</summary>
    public Action RunLeaves { get; set; } = () => { };

    public OutgoingMigration? Outgoing { get; private set; }

    public OutgoingMigration Start()
    {
        Outgoing = new OutgoingMigration(0, Guest, "the other process", Parameters, Connect) { PhaseEntered = PhaseEntered };
        Outgoing.Start();
        return Outgoing;
    }

    public MigrationResult Finish()
    {
        var outgoing = Outgoing ?? Start();
        Assert.True(outgoing.Wait(Patience.Limit), $"The migration hangs in {outgoing.GetState().Phase}.");
        return outgoing.Result!;
    }

    public void AssertRunsHere()
    {
        Assert.Equal(GuestState.Running, Guest.State);
        Assert.Null(Guest.Memory.Ram.Log);
        TestGuests.WaitForTick(Guest, Guest.Ticks.Max() + 10);
        Reference.AssertIntact(_options, Guest);
    }

    public void Dispose()
    {
        Outgoing?.Cancel(wait: false);
        Proxy.Dispose();
        Receiver.Dispose();
        Outgoing?.Wait(Patience.Limit);
        TestGuests.RemoveAll(_options.Host);
    }

    TapConnection Connect(CancellationToken cancel) => new(Connector.Connect(Proxy.Uri, Parameters.ConnectTimeout, cancel), (_, leaving) =>
    {
        if (leaving.IsRun()) RunLeaves();
    });
}
