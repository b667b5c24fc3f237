using System.Text.Json.Nodes;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;
using PsMigrate.Engine.Tests.Qmp;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu.Driven;

public sealed class QemuConnectTests : IDisposable
{
    static readonly TimeSpan Short = TimeSpan.FromMilliseconds(300);

    readonly FakeQemu _qemu = new();

    public static TheoryData<string> Questions =>
    [
        "query-version", "query-status", "query-memory-size-summary", "query-cpus-fast", "qom-get", "query-uuid", "query-name",
        "query-kvm", "x-query-jit",
    ];

    public void Dispose()
    {
        foreach (var guest in GuestRegistry.All.OfType<QemuGuest>().Where(guest => guest.Uri == _qemu.Server.Uri)) guest.Disconnect();
        _qemu.Dispose();
    }

    [Theory]
    [MemberData(nameof(Questions))]
    public void A_QEMU_that_hangs_at_a_question_is_given_up(string question)
    {
        _qemu.Hang(question);
        Assert.Contains("did not say", Failing.With(MigrationErrorId.QmpTimeout, () => _qemu.Connect(timeout: Short)).Message, StringComparison.Ordinal);
        Assert.Null(GuestRegistry.Find("local", _qemu.Name!));
        Patience.Until(() => !_qemu.Server.HasClient, "the socket is closed");
    }

    [Theory]
    [MemberData(nameof(Questions))]
    public void A_QEMU_that_ends_at_a_question_is_lost(string question)
    {
        _qemu.Answer(question, () =>
        {
            _qemu.Server.Drop();
            return FakeQmpServer.Silence;
        });
        Failing.With(MigrationErrorId.QmpConnectionLost, () => _qemu.Connect());
        Assert.Null(GuestRegistry.Find("local", _qemu.Name!));
    }

    [Theory]
    [MemberData(nameof(Questions))]
    public void A_QEMU_that_answers_no_JSON_is_none(string question)
    {
        _qemu.Answer(question, () =>
        {
            _qemu.Server.Send("\u0001 no JSON");
            return FakeQmpServer.Silence;
        });
        Failing.With(MigrationErrorId.QmpProtocolError, () => _qemu.Connect());
    }

    [Theory]
    [MemberData(nameof(Questions))]
    public void Answers_of_another_kind_leave_things_unknown(string question)
    {
        foreach (var odd in new[] { "[[]]", "{}", "7", "\"text\"", "null", "{\"status\":[],\"UUID\":\"x\",\"base-memory\":-1,\"enabled\":\"yes\"}" })
        {
            _qemu.Answer(question, () => JsonNode.Parse(odd));
            using var guest = new Letting(_qemu.Connect("odd-" + question));
            Assert.True(guest.Guest.MemorySize >= 0 && guest.Guest.ProcessorCount >= 0);
            Assert.NotNull(guest.Guest.MachineType);
            _ = guest.Guest.State;
        }
    }

    [Theory]
    [MemberData(nameof(Questions))]
    public void A_QEMU_without_a_command_is_taken_without_it(string question)
    {
        _qemu.Server.Commands.TryRemove(question, out _);
        using var guest = new Letting(_qemu.Connect("without-" + question));
        Assert.True(guest.Guest.IsConnected);
    }

    [Fact]
    public void Accelerators_are_told_apart()
    {
        _qemu.IsKvm = true;
        using (var guest = new Letting(_qemu.Connect())) Assert.Equal("kvm", guest.Guest.Accelerator);
        _qemu.IsKvm = false;
        _qemu.Answer("query-accelerators", () => JsonNode.Parse("""{"enabled":"mshv","present":["mshv","tcg"]}"""));
        using (var guest = new Letting(_qemu.Connect())) Assert.Equal("mshv", guest.Guest.Accelerator);
    }

    [Fact]
    public void Names_are_QEMUs_or_the_users_or_a_number()
    {
        using (var guest = new Letting(_qemu.Connect("mine-1"))) Assert.Equal("mine-1", guest.Guest.Name);
        _qemu.Name = null;
        using (var guest = new Letting(_qemu.Connect()))
        {
            Assert.StartsWith("qemu-", guest.Guest.Name, StringComparison.Ordinal);
            using var second = new FakeQemu { Name = null };
            using var other = new Letting(second.Connect());
            Assert.StartsWith("qemu-", other.Guest.Name, StringComparison.Ordinal);
            Assert.NotEqual(guest.Guest.Name, other.Guest.Name);
        }
        _qemu.Name = "a*";
        Assert.Contains("-Name", Failing.With(MigrationErrorId.InvalidGuestName, () => _qemu.Connect()).Message, StringComparison.Ordinal);
        Patience.Until(() => !_qemu.Server.HasClient, "the socket is closed");
    }

    [Fact]
    public void A_name_is_given_once()
    {
        using var second = new FakeQemu { Name = _qemu.Name };
        using var first = new Letting(_qemu.Connect());
        Failing.With(MigrationErrorId.DuplicateGuestName, () => second.Connect());
        Patience.Until(() => !second.Server.HasClient, "the socket is closed");
        Assert.Equal(0, second.CountOf("query-migrate"));
        var asked = second.Server.Received.Length;
        Failing.With(MigrationErrorId.DuplicateGuestName, () => second.Connect(_qemu.Name));
        Assert.Equal(asked, second.Server.Received.Length);
        Assert.Equal(GuestState.Running, first.Guest.State);
    }

    [Fact]
    public void A_second_connection_is_told_why_it_waits()
    {
        using var guest = new Letting(_qemu.Connect());
        var error = Failing.With(MigrationErrorId.QmpTimeout, () => _qemu.Connect("another", Short));
        Assert.Contains("one client per QMP socket", error.Message, StringComparison.Ordinal);
        Assert.Equal(GuestState.Running, guest.Guest.State);
    }

    [Fact]
    public void A_guest_whose_QEMU_ended_stays_and_says_so()
    {
        var guest = _qemu.Connect();
        _qemu.Server.Drop();
        Patience.Until(() => guest.State == GuestState.Unreachable, "the loss is noticed");
        Assert.Contains($"{guest.Uri}", guest.UnreachableReason, StringComparison.Ordinal);
        Assert.Same(guest, GuestRegistry.Find("local", guest.Name));
        Failing.With(MigrationErrorId.QmpConnectionLost, guest.Suspend);
        Failing.With(MigrationErrorId.QmpConnectionLost, () => guest.Resume(force: true));
        Failing.With(MigrationErrorId.QmpConnectionLost, () => guest.Claim(this));
        Assert.Equal("running", guest.RunState);
        Assert.Empty(guest.Capabilities);
        guest.Disconnect();
        Assert.Null(GuestRegistry.Find("local", guest.Name));
    }

    [Fact]
    public void Who_waits_can_give_up()
    {
        _qemu.Hang("query-uuid");
        using var cancel = new CancellationTokenSource();
        var connecting = Task.Run(() => QemuGuest.Connect(_qemu.Server.Uri, null, null, Patience.Limit, cancel.Token));
        Patience.Until(() => _qemu.CountOf("query-uuid") == 1, "it asks");
        cancel.Cancel();
        Assert.Throws<OperationCanceledException>(() => Patience.Within(() => connecting.GetAwaiter().GetResult(), "the end"));
    }

    [Theory]
    [InlineData("local:x")]
    [InlineData("file:/x")]
    [InlineData("exec:x")]
    public void Other_addresses_are_no_QMP_sockets(string address) =>
        Failing.With(MigrationErrorId.UnsupportedUri, () => QemuGuest.Connect(MigrationUri.Parse(address)));

    [Fact]
    public void A_time_of_nothing_is_refused() => Failing.With(MigrationErrorId.InvalidParameter, () => _qemu.Connect(timeout: TimeSpan.Zero));

    /// <summary>Lets the guest go at the end of a scope.</summary>
    sealed class Letting(QemuGuest guest) : IDisposable
    {
        public QemuGuest Guest => guest;

        public void Dispose() => guest.Disconnect();
    }
}
