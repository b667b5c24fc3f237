using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Leaks;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Tests.Tls;

namespace PsMigrate.Engine.Tests.Crowds;

/// <summary>
/// Connections by the thousand that say nothing, or not enough. No time-out ends within these tests: who gets in does so past them. When they
/// are gone, nothing of them is left.
/// </summary>
[Collection("Alone")]
public sealed class FloodTests
{
    static readonly TlsPki Pki = TlsPki.Shared;

    public static TheoryData<string, int> Kinds
    {
        get
        {
            var kinds = new TheoryData<string, int>();
            foreach (var kind in new[] { "silent", "one byte", "half a header", "silent, TLS", "half a greeting" }) kinds.Add(kind, 1000);
            // More than there are places.
            kinds.Add("silent", 1100);
            kinds.Add("half a header", 1100);
            kinds.Add("half a greeting", 1100);
            return kinds;
        }
    }

    [LinuxTheory]
    [MemberData(nameof(Kinds))]
    public void Whatever_they_say_a_guest_gets_in_and_nothing_stays(string kind, int count)
    {
        byte[]? word = kind switch
        {
            "one byte" => [(byte)'Q'],
            "half a header" => [.. "QEVM"u8, 0, 0],
            "half a greeting" => TlsHello.Of(0x0303)[..20],
            _ => null,
        };
        var isTls = kind.Contains("TLS", StringComparison.Ordinal) || kind.Contains("greeting", StringComparison.Ordinal);
        using var receiver = MigrationReceiver.Start(new ReceiverOptions
        {
            HostName = TestGuests.UniqueName("there"), Tls = isTls ? Pki.Server : null,
            FirstWordTimeout = TimeSpan.FromHours(1), IdleTimeout = TimeSpan.FromHours(1),
        });
        Crowd.AssertServes(receiver, isTls ? Pki.Client : null);
        Patience.Until(() => Incoming() == 0, "the end of the first");
        var sockets = ProcessState.Sockets();
        using (var crowd = new Crowd(receiver, count, word))
        {
            Crowd.AssertServes(receiver, isTls ? Pki.Client : null);
            Patience.Until(() => crowd.Cut >= count - ReceiverOptions.DefaultConnections, "those that make room");
            Assert.InRange(crowd.Cut, 0, Math.Max(0, count - ReceiverOptions.DefaultConnections + 1));
        }
        Patience.Until(() => Incoming() == 0, "the threads to end");
        Patience.Until(() => ProcessState.Sockets() <= sockets, "the sockets to be closed");
        Crowd.AssertServes(receiver, isTls ? Pki.Client : null);
    }

    [LinuxFact]
    public void A_receiver_that_is_stopped_lets_all_of_them_go()
    {
        ProcessState.AssertNoThreads();
        var sockets = ProcessState.Sockets();
        using (var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there"), FirstWordTimeout = TimeSpan.FromHours(1) }))
        {
            using var crowd = new Crowd(receiver, 1100);
            Patience.Until(() => Incoming() >= 1000, "a thread for each");
            receiver.Stop();
            Patience.Until(() => crowd.Cut == 1100, "all of them to be cut");
        }
        ProcessState.AssertNoThreads();
        Patience.Until(() => ProcessState.Sockets() <= sockets, "the sockets to be closed");
    }

    [LinuxFact]
    public void What_is_remembered_of_migrations_is_not_pushed_out_by_them()
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there"), MaxConnections = 2000 });
        Crowd.AssertServes(receiver);
        Patience.Until(() => receiver.ArrivedCount == 1, "the arrival");
        using (new Crowd(receiver, 1200, [1, 2, 3, 4, 5, 6, 7, 8])) Patience.Until(() => receiver.FailedCount == 1200, "all of them");
        Assert.Equal(1000, receiver.Arrivals.Length);
        Assert.Equal(MigrationStatus.Completed, receiver.Arrivals[0].State);
        // Each of those that are left is given out once.
        var taken = 0;
        while (receiver.TryTakeArrival(out _, TimeSpan.Zero)) taken++;
        Assert.Equal(1000, taken);
    }

    static int Incoming() => ProcessState.EngineThreads().Count(name => name.StartsWith("incoming", StringComparison.Ordinal));
}
