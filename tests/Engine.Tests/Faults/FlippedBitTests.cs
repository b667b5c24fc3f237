using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>A link that turns bits round, as one whose checksums agree with the damage would.</summary>
public sealed class FlippedBitTests
{
    [Fact]
    public void In_a_page_nobody_notices_unless_it_is_verified()
    {
        using var rig = new FaultRig { MayDiffer = true };
        var flip = new LinkFault(LinkFaultKind.Flip, InAPage(rig)) { Bit = 3 };
        rig.Parameters = rig.Parameters with { Verify = false };
        var result = rig.Migrate(flip);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (result.State, result.Location));
        Assert.NotEqual(rig.Digest, rig.ArrivedDigest);

        rig.Parameters = rig.Parameters with { Verify = true };
        result = rig.Migrate(flip);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.VerifyMismatch, MigrationSide.Link, MigrationPhase.Completion), (result.Error!.Id, result.Error.Side, result.Error.Phase!.Value));
        // The same again over a link that is whole.
        result = rig.Migrate();
        Assert.Equal((GuestLocation.Destination, true), (result.Location, result.Verified));
        Assert.Equal(rig.Digest, rig.ArrivedDigest);
    }

    [Fact]
    public void In_a_register_nobody_notices_unless_it_is_verified()
    {
        using var rig = new FaultRig { MayDiffer = true };
        rig.Parameters = rig.Parameters with { Verify = false };
        var result = rig.Migrate(InARegister(rig));
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination, false), (result.State, result.Location, result.Verified));
        Assert.Equal(rig.Registers with { Random = rig.Registers.Random ^ 1 }, rig.ArrivedRegisters);

        rig.Parameters = rig.Parameters with { Verify = true };
        result = rig.Migrate(InARegister(rig));
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.VerifyMismatch, MigrationSide.Link, MigrationPhase.Completion), (result.Error!.Id, result.Error.Side, result.Error.Phase!.Value));
        Assert.Contains("vCPUs and devices", result.Error.Message, StringComparison.Ordinal);
        // The memories do agree.
        Assert.Equal(result.SourceDigest, result.DestinationDigest);
        Assert.NotEqual(result.SourceStateDigest, result.DestinationStateDigest);
        Assert.False(result.Verified);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void In_what_follows_memory_the_guest_arrives_as_it_was_or_not_at_all(int part)
    {
        using var rig = new FaultRig(TimeSpan.FromSeconds(2)) { MayDiffer = true };
        var (from, to) = DevicesOf(rig.Record().Forward);
        var random = new Random(part);
        var mismatches = 0;
        for (var at = from + part; at < to; at += 4)
        {
            var result = rig.Migrate(new LinkFault(LinkFaultKind.Flip, at) { Bit = random.Next(8) });
            if (result.Error?.Id == MigrationErrorId.VerifyMismatch) mismatches++;
            if (result.Location == GuestLocation.Source) continue;
            Assert.True(result.Verified, $"{result}");
            Assert.Equal((rig.Digest, rig.Registers), (rig.ArrivedDigest, rig.ArrivedRegisters));
        }
        Assert.True(mismatches > 10, $"{mismatches} of the values that can be were found to differ.");
    }

    [Fact]
    public void In_what_comes_back_there_is_one_guest()
    {
        using var rig = new FaultRig(TimeSpan.FromSeconds(2));
        var length = rig.Record().Back.Length;
        var random = new Random(7);
        for (var at = 0; at < length; at++) rig.Migrate(back: new LinkFault(LinkFaultKind.Flip, at) { Bit = random.Next(8) });
    }

    /// <summary>The last field of a vCPU is its generator's state; a footer follows.</summary>
    static LinkFault InARegister(FaultRig rig)
    {
        var sent = rig.Record().Forward;
        var cpu = sent.AsSpan().IndexOf("psmigrate/cpu"u8);
        return new LinkFault(LinkFaultKind.Flip, RecordBoundaries.Forward(sent).Where(at => at > cpu).ElementAt(1) - 1);
    }

    /// <summary>From the first vCPU's section up to the description, which is for tools that read streams.</summary>
    static (long From, long To) DevicesOf(byte[] sent)
    {
        var cpu = sent.AsSpan().IndexOf("psmigrate/cpu"u8);
        var globalState = sent.AsSpan().IndexOf("globalstate"u8);
        var boundaries = RecordBoundaries.Forward(sent);
        return (boundaries.Last(at => at < cpu), boundaries.Where(at => at > globalState).ElementAt(1));
    }

    /// <summary>In the middle of the longest record, which holds pages.</summary>
    static long InAPage(FaultRig rig)
    {
        var (at, length) = RecordBoundaries.Longest(RecordBoundaries.Forward(rig.Record().Forward));
        Assert.True(length > GuestMemory.PageSize);
        return at + (length / 2);
    }
}
