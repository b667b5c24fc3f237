using System.Text;
using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Tests.Tls;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>Probes of a link: what a receiver of ours makes of them, and what others are sent.</summary>
public sealed class ProbeTests
{
    static readonly TimeSpan Short = TimeSpan.FromMilliseconds(50);

    [Fact]
    public void A_receiver_is_probed_and_nothing_of_it_stays()
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there") });
        Assert.True(MigrationForecasts.ProbeBandwidth(receiver.Uri, Short) > 0);
        Patience.Until(() => receiver.ActiveCount == 0, "the end of it");
        var state = receiver.GetState();
        Assert.Equal((0, 0, 0), (state.ArrivedCount, state.FailedCount, receiver.Arrivals.Length));
        Assert.Empty(TestGuests.On(receiver.HostName));
    }

    [Fact]
    public void A_receiver_that_takes_TLS_only_says_so_and_is_probed_by_TLS()
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there"), Tls = TlsPki.Shared.Server });
        Failing.With(MigrationErrorId.TlsRequired, () => MigrationForecasts.ProbeBandwidth(receiver.Uri, Short));
        Assert.True(MigrationForecasts.ProbeBandwidth(receiver.Uri, Short, TlsPki.Shared.Client) > 0);
        Failing.With(MigrationErrorId.CertificateRejected, () => MigrationForecasts.ProbeBandwidth(receiver.Uri, Short, TlsPki.Shared.Client with { HostName = "elsewhere" }));
        // Those that were refused; the other one is nothing that arrived.
        Patience.Until(() => receiver is { ActiveCount: 0, Arrivals.Length: 2 }, "the end of them");
        Assert.Equal(0, receiver.ArrivedCount);
    }

    /// <summary>A path is no name that a certificate could be for.</summary>
    [Fact]
    public void Over_a_path_it_has_to_be_said_whose_certificate_it_is() => Failing.With(MigrationErrorId.InvalidParameter,
        () => MigrationForecasts.ProbeBandwidth(MigrationUri.Parse($"unix:{Path.GetTempPath()}nobody-{Guid.NewGuid():N}"), Short, TlsPki.Shared.Client with { HostName = null }));

    [Fact]
    public void What_can_not_be_connected_can_not_be_probed()
    {
        Failing.With(MigrationErrorId.UnsupportedUri, () => MigrationForecasts.ProbeBandwidth(MigrationUri.Parse("local:there"), Short));
        Failing.With(MigrationErrorId.ConnectionRefused, () => MigrationForecasts.ProbeBandwidth(MigrationUri.Parse($"unix:{Path.GetTempPath()}nobody-{Guid.NewGuid():N}"), Short));
    }

    [Theory]
    [InlineData(Handshake.ExtensionPing, MigrationErrorId.NoReceiver)]
    [InlineData(1U, MigrationErrorId.NoReceiver)]
    public void Another_peer_is_sent_the_header_and_a_ping_and_nothing_else(uint pong, MigrationErrorId expected)
    {
        var (source, destination) = LocalLink.Create("other");
        ReturnPathMessage.Pong(pong).Send(new WireWriter(destination.Output));
        Failing.With(expected, () => new BandwidthProbe(source, "there").Run(Short));
        source.Dispose();
        var greeting = new BytesWriter();
        Joining.Greet(new WireWriter(greeting));
        var seen = new WireReader(destination.Input, MigrationSide.Source);
        Assert.Equal(greeting.Written.ToArray(), seen.Bytes((int)source.BytesSent));
    }

    [Fact]
    public void An_older_receiver_is_asked_a_question_which_leaves_nothing_there()
    {
        var (source, destination) = LocalLink.Create("other");
        var answers = new WireWriter(destination.Output);
        ReturnPathMessage.Pong(0x50534D85).Send(answers);
        ReturnPathMessage.Outcome(Guid.NewGuid(), (byte)HandoverOutcome.Unknown).Send(answers);
        Failing.With(MigrationErrorId.ProbeRefused, () => new BandwidthProbe(source, "there").Run(Short));
        source.Dispose();
        var seen = new WireReader(destination.Input, MigrationSide.Source).Bytes((int)source.BytesSent);
        var incoming = Incoming.Run(seen, Policy()).Migration;
        Assert.True(incoming.IsQuestion);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public void One_that_is_cut_goes_by_what_was_acknowledged(int acknowledged)
    {
        var (source, destination) = LocalLink.Create("other");
        var answers = new WireWriter(destination.Output);
        ReturnPathMessage.Pong(Handshake.Answer(Handshake.ExtensionPing)).Send(answers);
        ReturnPathMessage.Outcome(Guid.NewGuid(), (byte)HandoverOutcome.Running).Send(answers);
        var greeting = new BytesWriter();
        Joining.Greet(new WireWriter(greeting));
        Joining.Send(new WireWriter(greeting), Guid.Empty, JoinPurpose.Probe);
        using var cut = EngineThread.After(TimeSpan.Zero, () =>
        {
            var reader = new WireReader(destination.Input, MigrationSide.Source);
            reader.Bytes(greeting.Written.Length);
            for (var taken = 0; taken < acknowledged; taken++)
            {
                for (uint length; (length = reader.UInt32()) > 0;) reader.Bytes((int)length);
                ReturnPathMessage.Pong(Handshake.FirstPing).Send(answers);
            }
            destination.Dispose();
        });
        double Run() => new BandwidthProbe(source, "there").Run(TimeSpan.FromSeconds(20));
        if (acknowledged == 0) Failing.With(MigrationErrorId.ProbeRefused, () => Run());
        else Assert.True(Run() > 0);
        source.Dispose();
    }

    [Fact]
    public void One_may_take_longer_than_a_first_word()
    {
        var options = new ReceiverOptions { HostName = TestGuests.UniqueName("there"), FirstWordTimeout = TimeSpan.FromMilliseconds(300) };
        using var receiver = MigrationReceiver.Start(options);
        Assert.True(MigrationForecasts.ProbeBandwidth(receiver.Uri, TimeSpan.FromSeconds(1)) > 0);
        Assert.Equal(0, receiver.GetState().FailedCount);
    }

    [Fact]
    public void Batches_suit_the_link_and_its_warm_up_does_not_count()
    {
        var rate = new ProbeRate(4096, TimeSpan.FromMilliseconds(200));
        Assert.False(rate.IsKnown);
        rate.Begin(TimeSpan.Zero);
        // 8 KiB/s: the batch stays as it is, and the first one is the warm-up of it all.
        rate.Acknowledged(rate.Batch, TimeSpan.FromSeconds(0.5));
        Assert.Equal(4096, rate.Batch);
        Assert.Equal(8192, rate.Value, 0);
        rate = new ProbeRate(4096, TimeSpan.FromMilliseconds(200));
        rate.Begin(TimeSpan.Zero);
        var now = 0.0;
        for (; now < 0.2; now += 0.01) rate.Acknowledged(rate.Batch, TimeSpan.FromSeconds(now));
        Assert.Equal(256 << 20, rate.Batch);
        for (var i = 0; i < 10; i++) rate.Acknowledged(100 << 20, TimeSpan.FromSeconds(now += 0.1));
        Assert.InRange(rate.Value / (1 << 20), 900, 1100);
    }

    [Theory]
    [InlineData("SSH-2.0-OpenSSH_9.2\r\n")]
    [InlineData("HTTP/1.1 400 Bad Request\r\n\r\n")]
    [InlineData("")]
    public void What_speaks_otherwise_is_no_receiver(string words)
    {
        var (source, destination) = LocalLink.Create("other");
        new WireWriter(destination.Output).Bytes(Encoding.ASCII.GetBytes(words));
        destination.Output.FlushAsync().AsTask().Wait();
        destination.Dispose();
        Failing.With(MigrationErrorId.NoReceiver, () => new BandwidthProbe(source, "there").Run(Short));
        source.Dispose();
    }

    [Fact]
    public void One_that_goes_on_and_on_is_cut_and_takes_no_memory()
    {
        var policy = Incoming.Policy() with { Probes = new ProbeBudget(() => Environment.TickCount64) { Longest = TimeSpan.FromMilliseconds(300) } };
        using var source = new PostcopySource(policy: policy);
        var (incoming, link) = source.Connect();
        Assert.Equal(HandoverOutcome.Running, link.Join(Guid.Empty, JoinPurpose.Probe));
        // Such a connection is one of those that make room for others.
        Assert.False(incoming.IsKnown);
        var part = new byte[Handshake.MostProbeBytes];
        Failing.With(MigrationErrorId.ConnectionLost, () =>
        {
            for (var sent = 0L; sent < long.MaxValue; sent += part.Length)
            {
                link.Wire.UInt32((uint)part.Length);
                link.Wire.Bytes(part);
                link.Wire.Flush();
            }
        });
        Patience.Until(() => incoming.IsEnded, "the end of it");
        Assert.True(incoming.IsQuestion);
        Assert.Equal(0, incoming.TotalBytes);
    }

    [Fact]
    public void One_at_a_time_and_the_next_when_it_is_over()
    {
        var policy = Incoming.Policy() with { Probes = new ProbeBudget(() => 0) };
        using var source = new PostcopySource(policy: policy);
        var (first, link) = source.Connect();
        Assert.Equal(HandoverOutcome.Running, link.Join(Guid.Empty, JoinPurpose.Probe));
        var (second, other) = source.Connect();
        Assert.Equal(HandoverOutcome.Unknown, other.Join(Guid.Empty, JoinPurpose.Probe));
        // Nothing may follow.
        other.Wire.UInt32(0);
        other.Wire.Flush();
        Patience.Until(() => second.IsEnded, "the end of the second");
        Assert.Equal(MigrationErrorId.OutOfOrder, second.Error!.Id);
        link.Wire.UInt32(3);
        link.Wire.Bytes("abc"u8);
        link.Wire.UInt32(0);
        link.Wire.Flush();
        Assert.Equal(Handshake.FirstPing, link.Expect(ReturnPathType.Pong).Value);
        link.Abort();
        Patience.Until(() => first.IsEnded, "the end of the first");
        Assert.Equal(HandoverOutcome.Running, source.Connect().Link.Join(Guid.Empty, JoinPurpose.Probe));
    }

    [Fact]
    public void Parts_have_a_most()
    {
        var stream = Probe();
        stream.UInt32(Handshake.MostProbeBytes + 1);
        stream.Flush();
        Assert.Equal(MigrationErrorId.InvalidLength, Incoming.Run(_bytes.Written, Policy()).Migration.Error!.Id);
    }

    [Fact]
    public void One_that_breaks_off_is_over()
    {
        var stream = Probe();
        stream.UInt32(100);
        stream.Byte(1);
        stream.Flush();
        Assert.Equal(MigrationErrorId.UnexpectedEnd, Incoming.Run(_bytes.Written, Policy()).Migration.Error!.Id);
    }

    [Fact]
    public void An_older_source_can_not_have_meant_it()
    {
        CommandRecord.Write(Greeted(Handshake.ExtensionPing - Handshake.ExtensionVersion + Handshake.ProbeVersion - 1), CommandType.Join, [.. new byte[16], (byte)JoinPurpose.Probe]);
        Assert.Equal(MigrationErrorId.InvalidValue, Incoming.Run(_bytes.Written, Policy()).Migration.Error!.Id);
    }

    [Fact]
    public void Probes_get_a_sixth_of_the_time()
    {
        var now = 0L;
        var budget = new ProbeBudget(() => now);
        // What was saved up.
        for (var taken = 0; taken < 3; taken++)
        {
            Assert.Equal(TimeSpan.FromSeconds(5), budget.TryBegin());
            Assert.Null(budget.TryBegin());
            now += 5000;
            budget.End();
        }
        Assert.Null(budget.TryBegin());
        now += 11_000;
        Assert.Null(budget.TryBegin());
        now += 2000;
        Assert.InRange(budget.TryBegin()!.Value.TotalSeconds, 2.1, 2.2);
        now += 1000;
        budget.End();
        Assert.Null(budget.TryBegin());
        // An hour saves up no more than at first.
        now += 3_600_000;
        for (var taken = 0; taken < 3; taken++)
        {
            Assert.NotNull(budget.TryBegin());
            now += 5000;
            budget.End();
        }
        Assert.Null(budget.TryBegin());
    }

    readonly BytesWriter _bytes = new();

    static IncomingPolicy Policy() => Incoming.Policy() with { Probes = new ProbeBudget(() => 0) };

    WireWriter Greeted(uint ping)
    {
        var wire = new WireWriter(_bytes);
        StreamHeader.Write(wire, StreamConstants.MachineNone);
        CommandRecord.Write(wire, CommandType.OpenReturnPath);
        CommandRecord.WritePing(wire, ping);
        return wire;
    }

    WireWriter Probe()
    {
        var wire = Greeted(Handshake.ExtensionPing);
        CommandRecord.Write(wire, CommandType.Join, [.. new byte[16], (byte)JoinPurpose.Probe]);
        return wire;
    }
}
