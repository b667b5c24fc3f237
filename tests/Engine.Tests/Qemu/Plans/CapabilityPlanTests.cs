using System.Text.Json;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Tests.Qemu.Plans;

/// <summary>What each end is sent, of what the user asks for and what the QEMU has.</summary>
public sealed class CapabilityPlanTests
{
    static readonly string[] Names =
        ["xbzrle", "auto-converge", "events", "postcopy-ram", "return-path", "pause-before-switchover", "multifd", "validate-uuid", "postcopy-preempt", "block"];

    [Fact]
    public void Only_what_differs_is_sent()
    {
        var source = CapabilityPlan.ForSource(new() { MaxBandwidth = 128 << 20 }, Present(on: ["events", "return-path"]));
        Assert.Null(source.Capabilities);
        Assert.Null(source.Parameters);
        Assert.Empty(source.Unasked);
        Assert.Null(CapabilityPlan.ForDestination(new(), Present(on: ["events"])).Capabilities);
    }

    [Fact]
    public void Old_settings_go_off_before_new_ones_go_on_and_that_is_told()
    {
        var source = CapabilityPlan.ForSource(new() { Channels = 4, Compression = MigrationCompression.Zlib, CompressionLevel = 3 }, Present(on: ["xbzrle", "block", "dirty-bitmaps"]));
        Assert.Equal(
            """{"capabilities":[{"capability":"xbzrle","state":false},{"capability":"block","state":false},{"capability":"events","state":true},{"capability":"multifd","state":true},{"capability":"return-path","state":true}]}""",
            source.Capabilities!.ToJsonString());
        Assert.Equal("""{"max-bandwidth":0,"multifd-channels":4,"multifd-compression":"zlib","multifd-zlib-level":3}""", source.Parameters!.ToJsonString());
        Assert.Equal(["xbzrle", "block", "max-bandwidth"], source.Unasked.Select(change => change.Name));
    }

    [Fact]
    public void The_fast_levels_of_zstd_are_for_guests_of_this_process()
    {
        var error = Assert.Throws<MigrationException>(() => CapabilityPlan.ForSource(
            new() { Channels = 4, Compression = MigrationCompression.Zstd, CompressionLevel = -1 }, Present()));
        Assert.Equal(MigrationErrorId.InvalidParameter, error.Id);
        Assert.Contains("0 to 20", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Both_ends_get_what_both_need_and_the_source_the_rest()
    {
        var asked = new MigrationParameters
        {
            Postcopy = true, PostcopyPreempt = true, AutoConverge = true, MaxThrottle = 10, PauseBeforeSwitchover = true, ValidateUuid = true,
            MaxPostcopyBandwidth = 5, MaxDowntime = TimeSpan.FromMilliseconds(1.2), ReturnPath = false,
        };
        Assert.Equal("""{"capabilities":[{"capability":"events","state":true},{"capability":"postcopy-ram","state":true},{"capability":"postcopy-preempt","state":true}]}""",
            CapabilityPlan.ForDestination(asked, Present()).Capabilities!.ToJsonString());
        var source = CapabilityPlan.ForSource(asked, Present());
        Assert.DoesNotContain("return-path", source.Capabilities!.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal("""{"downtime-limit":2,"max-bandwidth":0,"max-postcopy-bandwidth":5,"cpu-throttle-initial":10,"max-cpu-throttle":10}""", source.Parameters!.ToJsonString());
    }

    [Fact]
    public void What_a_QEMU_does_not_have_is_named_with_the_release_that_has_it()
    {
        var switchover = Refused(new() { SwitchoverBandwidth = 5 }, Present());
        Assert.Equal("The QEMU 7.2.22 at the source does not have the parameter avail-switchover-bandwidth; 8.2 has it.", switchover.Message);
        Assert.Contains("10.1 has it", Refused(new() { Postcopy = true, Channels = 2 }, Present()).Message, StringComparison.Ordinal);
        Assert.Contains("its build leaves it out", Refused(new() { Xbzrle = true }, Present(names: ["events", "return-path"])).Message, StringComparison.Ordinal);
        Assert.Contains("9.1 took it out", QemuFeatures.NoCapability("block", new(10, 0, 2), MigrationSide.Source).Message, StringComparison.Ordinal);
        Assert.Contains("9.0 has it", QemuFeatures.NoCapability("mapped-ram", new(7, 2, 22), MigrationSide.Destination).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Ends_are_compared_as_far_as_they_tell()
    {
        var one = new QemuIdentity { Version = new(7, 2, 22), MachineType = "pc-i440fx-7.2", RamSize = 1 << 26, CpuCount = 2, Uuid = Guid.NewGuid() };
        Assert.Empty(EndsAgreement.Differences(one, one with { Version = new(10, 0, 2), Uuid = null, RamSize = null }, new()));
        var found = EndsAgreement.Differences(one, one with { MachineType = "pc-q35-7.2", RamSize = 5, CpuCount = 1, Uuid = Guid.NewGuid() }, new());
        Assert.Equal(["machine type", "RAM", "number of vCPUs", "uuid"], found.Select(text => text.Split(" is ")[0]["the ".Length..]));
        Assert.Single(EndsAgreement.Differences(one, one with { Uuid = null }, new() { ValidateUuid = true }));
        var unversioned = one with { MachineType = "microvm" };
        Assert.Contains("has no version", Assert.Single(EndsAgreement.Differences(unversioned, unversioned with { Version = new(6, 2, 0) }, new())), StringComparison.Ordinal);
        Assert.Empty(EndsAgreement.Differences(unversioned, unversioned with { Version = new(7, 2, 1) }, new()));
        Assert.Equal(MigrationErrorId.EndsDisagree, Assert.Throws<MigrationException>(() => EndsAgreement.Check(one, one with { RamSize = 5 }, new())).Id);
    }

    [Theory]
    [InlineData("Failed to connect to '127.0.0.1:1': Connection refused", null, MigrationErrorId.ConnectionRefused)]
    [InlineData("Unable to write to socket: Broken pipe", null, MigrationErrorId.ConnectionLost)]
    [InlineData("Unable to write to socket: Broken pipe", "its QEMU has ended", MigrationErrorId.DestinationFailed)]
    [InlineData("ram_save_setup failed: Input/output error", "it says: no", MigrationErrorId.DestinationFailed)]
    [InlineData("Failed to connect: Connection refused", "it says: no", MigrationErrorId.ConnectionRefused)]
    [InlineData("The certificate hasn't got a known issuer", "its QEMU has ended", MigrationErrorId.CertificateRejected)]
    [InlineData("Certificate does not match the hostname elsewhere", null, MigrationErrorId.CertificateRejected)]
    [InlineData("TLS handshake failed: A TLS fatal alert has been received: Unknown CA", null, MigrationErrorId.CertificateRejected)]
    [InlineData("TLS handshake failed: The TLS connection was non-properly terminated", "its QEMU has ended", MigrationErrorId.TlsFailed)]
    [InlineData("TLS handshake failed: An unexpected TLS packet was received", null, MigrationErrorId.TlsNotSpoken)]
    [InlineData("Cannot write to TLS channel: Input/output error", null, MigrationErrorId.ConnectionLost)]
    [InlineData("Cannot write to TLS channel: Input/output error", "it says: no", MigrationErrorId.DestinationFailed)]
    [InlineData("Received invalid message 0x5002 length 0x005e", null, MigrationErrorId.DestinationFailed)]
    [InlineData("Something else", null, MigrationErrorId.QemuMigrationFailed)]
    [InlineData(null, null, MigrationErrorId.QemuMigrationFailed)]
    public void QEMUs_words_become_typed_errors(string? description, string? destination, MigrationErrorId id)
    {
        var error = DrivenErrors.Failed(description, destination);
        Assert.Equal(id, error.Id);
        Assert.Contains(description ?? "no reason", error.Message, StringComparison.Ordinal);
    }

    static MigrationException Refused(MigrationParameters asked, EndPresent present)
    {
        var error = Assert.Throws<MigrationException>(() => CapabilityPlan.ForSource(asked, present));
        Assert.Equal(MigrationErrorId.UnsupportedByQemu, error.Id);
        return error;
    }

    static EndPresent Present(string[]? on = null, string[]? names = null)
    {
        var capabilities = (names ?? Names).Concat(on ?? []).Distinct()
            .Select(name => new { capability = name, state = on?.Contains(name) == true });
        var parameters = """
            {"downtime-limit":300,"max-bandwidth":134217728,"max-postcopy-bandwidth":0,"multifd-channels":2,"multifd-compression":"none",
             "multifd-zlib-level":1,"cpu-throttle-initial":20,"max-cpu-throttle":99,"xbzrle-cache-size":67108864}
            """;
        return new(QemuCapabilities.Parse(JsonSerializer.SerializeToElement(capabilities)), QemuParameters.Parse(JsonElement.Parse(parameters)),
            new QemuIdentity { Version = new(7, 2, 22) });
    }
}
