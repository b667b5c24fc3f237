using PsMigrate.Engine.Convergence;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>What never went goes whole, and what was kept shows in the first pass of which all had gone.</summary>
public sealed class KeptPagesTests
{
    [Fact]
    public void Differences_are_tried_until_a_pass_of_pages_that_all_went_before_is_over()
    {
        var kept = default(KeptPages);
        Assert.False(kept.IsTrial);
        kept.Begin(left: 60, sent: 200);
        Assert.True(kept.IsTrial);
        Assert.Equal(60, kept.NeverSent(200));
        Assert.Equal(35, kept.NeverSent(225));
        // Of this one some had never gone, and so of the next.
        kept.EndPass(sentBefore: 200);
        Assert.True(kept.IsTrial);
        kept.EndPass(sentBefore: 225);
        Assert.True(kept.IsTrial);
        Assert.Equal(0, kept.NeverSent(300));
        kept.EndPass(sentBefore: 300);
        Assert.False(kept.IsTrial);
    }

    [Fact]
    public void A_first_pass_that_left_nothing_is_followed_by_one_that_shows_it()
    {
        var kept = default(KeptPages);
        kept.Begin(left: 0, sent: 256);
        Assert.True(kept.IsTrial);
        kept.EndPass(sentBefore: 256);
        Assert.False(kept.IsTrial);
    }

    [Fact]
    public void Without_pages_that_were_kept_there_is_nothing_to_try()
    {
        var kept = default(KeptPages);
        kept.EndPass(sentBefore: 256);
        Assert.False(kept.IsTrial);
    }
}
