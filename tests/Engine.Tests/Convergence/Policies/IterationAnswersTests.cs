using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>Answers to passes in virtual time: those in time count once, and what goes wrong in a row is told once.</summary>
public sealed class IterationAnswersTests
{
    static readonly PolicyAction[] Cancel = [PolicyAction.Parse("Cancel")];

    static TimeSpan At(int seconds) => TimeSpan.FromSeconds(seconds);

    static IterationAnswer To(int iteration, string? failure = null) => new(
        iteration, failure is null ? Cancel : [], failure is null ? null : new MigrationException(MigrationErrorId.OnIterationFailed, MigrationSide.User, failure));

    [Fact]
    public void An_answer_in_time_counts_once()
    {
        var answers = new IterationAnswers();
        answers.Ask(1, At(5));
        Assert.True(answers.Awaits(1, At(4)));
        Assert.True(answers.Put(To(1), At(4)));
        Assert.False(answers.Awaits(1, At(4)));
        Assert.False(answers.Put(To(1), At(4)));
        Assert.Same(Cancel, Assert.Single(answers.Take(At(9))).Actions);
        Assert.Empty(answers.Take(At(9)));
    }

    [Fact]
    public void A_late_one_counts_for_nothing_and_that_is_told()
    {
        var answers = new IterationAnswers();
        answers.Ask(1, At(5));
        Assert.False(answers.Awaits(1, At(5)));
        Assert.False(answers.Put(To(1), At(5)));
        var told = Assert.Single(answers.Take(At(6)));
        Assert.Equal((1, MigrationErrorId.OnIterationLate), (told.Iteration, told.Failure!.Id));
        Assert.Empty(told.Actions);
    }

    [Fact]
    public void One_that_nobody_asked_for_counts_for_nothing()
    {
        var answers = new IterationAnswers();
        Assert.False(answers.Put(To(1), At(0)));
        Assert.Empty(answers.Take(At(100)));
    }

    [Fact]
    public void What_goes_wrong_in_a_row_is_told_once_until_an_answer_comes()
    {
        var answers = new IterationAnswers();
        for (var pass = 1; pass <= 4; pass++) answers.Ask(pass, At(5));
        Assert.Equal(1, Assert.Single(answers.Take(At(6))).Iteration);
        answers.Ask(5, At(12));
        Assert.Empty(answers.Take(At(12)));
        answers.Ask(6, At(20));
        Assert.True(answers.Put(new IterationAnswer(6, [], Failure: null), At(13)));
        Assert.Empty(answers.Take(At(13)));
        answers.Ask(7, At(20));
        Assert.Equal(7, Assert.Single(answers.Take(At(20))).Iteration);
    }

    [Fact]
    public void Another_reason_is_told_again()
    {
        var answers = new IterationAnswers();
        foreach (var (pass, why) in new[] { (1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "a") })
        {
            answers.Ask(pass, At(5));
            Assert.True(answers.Put(To(pass, why), At(0)));
        }
        Assert.Equal([(1, "a"), (3, "b"), (5, "a")], answers.Take(At(0)).Select(one => (one.Iteration, one.Failure!.Message)));
    }

    [Fact]
    public void Passes_before_the_one_that_is_answered_are_left_out_and_that_is_told_once()
    {
        var answers = new IterationAnswers();
        for (var pass = 1; pass <= 4; pass++) answers.Ask(pass, At(5));
        Assert.True(answers.Awaits(3, At(1)));
        Assert.False(answers.Awaits(2, At(1)) || answers.Put(To(2), At(1)));
        // A pass that ends meanwhile takes nothing from the answer.
        answers.Ask(5, At(6));
        Assert.True(answers.Put(To(3), At(2)));
        Assert.True(answers.Awaits(5, At(2)));
        Assert.True(answers.Put(To(5), At(3)));
        Assert.Equal([(1, true), (3, false), (5, false)], answers.Take(At(9)).Select(one => (one.Iteration, one.IsPassedOver)));
    }

    [Fact]
    public void Passes_that_nobody_asks_about_do_not_pile_up()
    {
        var answers = new IterationAnswers();
        for (var pass = 1; pass <= 5000; pass++) answers.Ask(pass, At(int.MaxValue / 2));
        Assert.False(answers.Awaits(4000, At(0)));
        Assert.True(answers.Awaits(4001, At(0)));
        Assert.Single(answers.Take(At(0)));
    }
}
