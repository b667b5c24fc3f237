using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Model;

/// <summary>Policies as data: written and read back they are the same, and what is wrong is named with its place.</summary>
public sealed class MigrationPolicyTests
{
    [Fact]
    public void Every_built_in_one_is_the_same_after_it_was_written_and_read()
    {
        foreach (var policy in MigrationPolicy.BuiltIn)
        {
            policy.Validate();
            AssertSame(policy, MigrationPolicy.FromJson(policy.ToJson()));
            Assert.Same(policy, MigrationPolicy.Find(policy.Name.ToUpperInvariant()));
        }
    }

    [Fact]
    public void The_form_of_the_file_is_kept()
    {
        var policy = new MigrationPolicy
        {
            Name = "night",
            Description = "For the backup window.",
            StartDowntime = 0.25,
            Rules =
            [
                new PolicyRule { When = [PolicyCondition.Parse("StalledPasses>=3"), PolicyCondition.Parse("Elapsed > 90s")], Then = PolicyAction.Parse("throttle BY 10"), Because = "It stalls." },
                new PolicyRule { Then = PolicyAction.Parse("SwitchToPostcopy"), When = [PolicyCondition.Parse("elapsed >= 10 min")], At = PolicyMoment.AnyTime, Once = true },
            ],
        };
        Assert.Equal("""
            {
              "format": "psmigrate-policy",
              "version": 1,
              "name": "night",
              "description": "For the backup window.",
              "startDowntime": 0.25,
              "rules": [
                {
                  "when": [
                    "StalledPasses >= 3",
                    "Elapsed > 1.5 min"
                  ],
                  "then": "Throttle by 10 %",
                  "at": "PassEnd",
                  "once": false,
                  "because": "It stalls."
                },
                {
                  "when": [
                    "Elapsed >= 10 min"
                  ],
                  "then": "SwitchToPostcopy",
                  "at": "AnyTime",
                  "once": true,
                  "because": ""
                }
              ]
            }

            """.ReplaceLineEndings("\n"), policy.ToJson().ReplaceLineEndings("\n"));
        AssertSame(policy, MigrationPolicy.FromJson(policy.ToJson()));
    }

    [Theory]
    [InlineData("Pass >= 3", PolicyFigure.Pass, PolicyComparison.AtLeast, 3)]
    [InlineData("elapsed>1.5min", PolicyFigure.Elapsed, PolicyComparison.GreaterThan, 90)]
    [InlineData("EstimatedDowntime <= 250 ms", PolicyFigure.EstimatedDowntime, PolicyComparison.AtMost, 0.25)]
    [InlineData("Pending < 3.5 MB", PolicyFigure.Pending, PolicyComparison.LessThan, 3.5 * (1 << 20))]
    [InlineData("DirtyRate > 1e6", PolicyFigure.DirtyRate, PolicyComparison.GreaterThan, 1e6)]
    [InlineData("Bandwidth >= 2 gb/s", PolicyFigure.Bandwidth, PolicyComparison.AtLeast, 2.0 * (1 << 30))]
    [InlineData("Throttle < 50 %", PolicyFigure.Throttle, PolicyComparison.LessThan, 50)]
    public void A_condition_is_read(string text, PolicyFigure figure, PolicyComparison comparison, double value)
    {
        var condition = PolicyCondition.Parse(text);
        Assert.Equal(new PolicyCondition(figure, comparison, value), condition);
        Assert.Equal(condition, PolicyCondition.Parse(condition.ToString()));
    }

    [Fact]
    public void Any_number_is_read_back_as_it_was()
    {
        var random = new Random(3);
        for (var i = 0; i < 2000; i++)
        {
            var value = random.NextDouble() * Math.Pow(10, random.Next(-9, 16));
            foreach (var figure in Enum.GetValues<PolicyFigure>())
            {
                var condition = new PolicyCondition(figure, PolicyComparison.AtLeast, i % 2 == 0 ? value : Math.Round(value));
                Assert.Equal(condition, PolicyCondition.Parse(condition.ToString()));
            }
        }
    }

    [Theory]
    [InlineData("rules[0].when[0]", "Passes >= 3", "SwitchOver")]
    [InlineData("rules[0].when[0]", "Pass = 3", "SwitchOver")]
    [InlineData("rules[0].when[0]", "Pass >= many", "SwitchOver")]
    [InlineData("rules[0].when[0]", "Pass >= 3 s", "SwitchOver")]
    [InlineData("rules[0].when[0]", "Elapsed >= 3 MB", "SwitchOver")]
    [InlineData("rules[0].when[0]", "Pass >= -3", "SwitchOver")]
    [InlineData("rules[0].when[0]", "Pass >= 1e999", "SwitchOver")]
    [InlineData("rules[0].when[0]", "3 >= 3", "SwitchOver")]
    [InlineData("rules[0].when[0]", "", "SwitchOver")]
    [InlineData("rules[0].then", "Pass >= 3", "Explode")]
    [InlineData("rules[0].then", "Pass >= 3", "0")]
    [InlineData("rules[0].then", "Pass >= 3", "")]
    [InlineData("rules[0].then", "Pass >= 3", "Throttle")]
    [InlineData("rules[0].then", "Pass >= 3", "Throttle to 100 %")]
    [InlineData("rules[0].then", "Pass >= 3", "Throttle to -1 %")]
    [InlineData("rules[0].then", "Pass >= 3", "Throttle by 10 ms")]
    [InlineData("rules[0].then", "Pass >= 3", "DowntimeLimit times 2 s")]
    [InlineData("rules[0].then", "Pass >= 3", "Bandwidth to 0")]
    [InlineData("rules[0].then", "Pass >= 3", "SwitchOver to 3")]
    [InlineData("rules[0].then", "Pass >= 3", "Cancel by 1")]
    public void What_is_wrong_is_named_with_its_place(string place, string when, string then) =>
        Refused(place, $$"""{"format":"psmigrate-policy","version":1,"name":"x","rules":[{"when":["{{when}}"],"then":"{{then}}"}]}""");

    [Theory]
    [InlineData("the text", "")]
    [InlineData("the text", "[]")]
    [InlineData("the text", "{\"format\":")]
    [InlineData("the text", "[[[[[[[[[[[[]]]]]]]]]]]]")]
    [InlineData("format", "{}")]
    [InlineData("format", """{"format":"other","version":1,"name":"x"}""")]
    [InlineData("version", """{"format":"psmigrate-policy","name":"x"}""")]
    [InlineData("version", """{"format":"psmigrate-policy","version":2,"name":"x"}""")]
    [InlineData("version", """{"format":"psmigrate-policy","version":"1","name":"x"}""")]
    [InlineData("name", """{"format":"psmigrate-policy","version":1}""")]
    [InlineData("name", """{"format":"psmigrate-policy","version":1,"name":7}""")]
    [InlineData("the text", """{"format":"psmigrate-policy","version":1,"name":"x","rule":[]}""")]
    [InlineData("the text", """{"format":"psmigrate-policy","version":1,"name":"x","name":"y"}""")]
    [InlineData("startDowntime", """{"format":"psmigrate-policy","version":1,"name":"x","startDowntime":0}""")]
    [InlineData("startDowntime", """{"format":"psmigrate-policy","version":1,"name":"x","startDowntime":1.5}""")]
    [InlineData("rules", """{"format":"psmigrate-policy","version":1,"name":"x","rules":{}}""")]
    [InlineData("rules[0]", """{"format":"psmigrate-policy","version":1,"name":"x","rules":[7]}""")]
    [InlineData("rules[0]", """{"format":"psmigrate-policy","version":1,"name":"x","rules":[{}]}""")]
    [InlineData("rules[1].at", """{"format":"psmigrate-policy","version":1,"name":"x","rules":[{"then":"Cancel"},{"then":"Cancel","at":"Never"}]}""")]
    [InlineData("rules[0].once", """{"format":"psmigrate-policy","version":1,"name":"x","rules":[{"then":"Cancel","once":"yes"}]}""")]
    [InlineData("rules[0].when", """{"format":"psmigrate-policy","version":1,"name":"x","rules":[{"then":"Cancel","when":"Pass > 3"}]}""")]
    [InlineData("rules[0]", """{"format":"psmigrate-policy","version":1,"name":"x","rules":[{"then":"AutoConverge","once":true}]}""")]
    [InlineData("rules[0]", """{"format":"psmigrate-policy","version":1,"name":"x","rules":[{"then":"Adaptive","at":"AnyTime"}]}""")]
    [InlineData("rules", """{"format":"psmigrate-policy","version":1,"name":"x","rules":[{"then":"AutoConverge"},{"then":"DirtyLimit"}]}""")]
    [InlineData("rules", """{"format":"psmigrate-policy","version":1,"name":"x","rules":[{"then":"AutoConverge"},{"then":"Adaptive"}]}""")]
    public void So_is_what_is_wrong_with_the_file(string place, string json) => Refused(place, json);

    [Fact]
    public void There_is_a_bound_on_how_much_is_read()
    {
        Refused("the text", new string(' ', (1 << 20) + 1));
        var rules = string.Join(',', Enumerable.Repeat("""{"then":"Cancel"}""", MigrationPolicy.MostRules + 1));
        Refused("rules", $$"""{"format":"psmigrate-policy","version":1,"name":"x","rules":[{{rules}}]}""");
    }

    [Fact]
    public void A_file_that_is_not_there_is_an_error_of_files()
    {
        Failing.With(MigrationErrorId.FileFailed, () => MigrationPolicy.Load(Path.Combine(Path.GetTempPath(), "psmigrate no such folder", "x.json")));
        Failing.With(MigrationErrorId.FileFailed, () => MigrationPolicy.BuiltIn[0].Save(Path.Combine(Path.GetTempPath(), "psmigrate no such folder", "x.json")));
        Failing.With(MigrationErrorId.InvalidPolicy, () => MigrationPolicy.Find("Magic"));
    }

    static void Refused(string place, string json)
    {
        var error = Assert.Throws<MigrationException>(() => MigrationPolicy.FromJson(json));
        Assert.Equal((MigrationErrorId.InvalidPolicy, MigrationSide.User), (error.Id, error.Side));
        Assert.StartsWith($"The policy can't be used: {place}: ", error.Message, StringComparison.Ordinal);
    }

    static void AssertSame(MigrationPolicy expected, MigrationPolicy actual)
    {
        Assert.Equal((expected.Name, expected.Description, expected.StartDowntime), (actual.Name, actual.Description, actual.StartDowntime));
        Assert.Equal(expected.Rules.Select(rule => (rule.ToString(), rule.Because)), actual.Rules.Select(rule => (rule.ToString(), rule.Because)));
        Assert.Equal(expected.ToJson(), actual.ToJson());
    }
}
