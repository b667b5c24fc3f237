using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>A destination that says what it should not, or nothing, while pages follow.</summary>
public sealed class SourceNonsenseTests
{
    public static TheoryData<string> Nonsense => ["page 1024", "offset", "length", "zero length", "block", "no block", "bitmap", "unknown", "early shut", "damaged shut", "ack"];

    [Theory]
    [MemberData(nameof(Nonsense))]
    public void Nonsense_breaks_the_link_and_not_the_guest(string what)
    {
        using var rig = new SourceRig();
        rig.Fake.At(PostcopyStep.Pages, link => SayNonsense(link, what));
        rig.Parameters = rig.Parameters with { MaxPostcopyBandwidth = 1 };
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        Assert.Equal(GuestLocation.Destination, rig.Outgoing.GetState().Location);
        rig.Outgoing.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        rig.Outgoing.Recover(null);
        rig.FinishWell();
    }

    [Fact]
    public void A_destination_that_gives_up_loses_the_guest()
    {
        using var rig = new SourceRig();
        rig.Fake.At(PostcopyStep.Pages, link =>
        {
            link.Say(ReturnPathMessage.Failure(MigrationErrorId.MemoryExceeded, "no room any more"), ReturnPathMessage.Shut(1));
            link.WaitForEnd();
        });
        var result = rig.Finish();
        Assert.Contains("no room any more", result.Error!.Message, StringComparison.Ordinal);
        rig.AssertLost();
    }

    [Fact]
    public void A_destination_that_says_nothing_is_a_broken_link()
    {
        using var rig = new SourceRig();
        rig.Parameters = rig.Parameters with { MaxPostcopyBandwidth = 1, AnswerTimeout = TimeSpan.FromSeconds(1) };
        rig.Fake.At(PostcopyStep.Pages, link => link.WaitForEnd());
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        rig.Outgoing.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        rig.Outgoing.Recover(null);
        rig.FinishWell();
    }

    static void SayNonsense(FakeLink link, string what)
    {
        var bytes = (ulong)link.Fake.Memory!.Ram.Length;
        link.Say(what switch
        {
            "page 1024" => ReturnPathMessage.RequestPages("ram", bytes, GuestMemory.PageSize),
            "offset" => ReturnPathMessage.RequestPages("ram", 4095, GuestMemory.PageSize),
            "length" => ReturnPathMessage.RequestPages("ram", bytes - GuestMemory.PageSize, uint.MaxValue & ~4095u),
            "zero length" => ReturnPathMessage.RequestPages("ram", 0, 0),
            "block" => ReturnPathMessage.RequestPages("nowhere", 0, GuestMemory.PageSize),
            "no block" => ReturnPathMessage.RequestPages(null, 0, GuestMemory.PageSize),
            "bitmap" => new ReturnPathMessage(ReturnPathType.ReceiveBitmap, [3, (byte)'r', (byte)'a', (byte)'m']),
            "early shut" => ReturnPathMessage.Shut(0),
            // One of ours says why before it gives up.
            "damaged shut" => ReturnPathMessage.Shut(1 << 30),
            "ack" => new ReturnPathMessage(ReturnPathType.ResumeAck, [1]),
            _ => new ReturnPathMessage((ReturnPathType)0x1234, []),
        });
        link.WaitForEnd();
    }
}
