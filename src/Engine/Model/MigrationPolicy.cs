namespace PsMigrate.Engine.Model;

/// <summary>When a rule is looked at.</summary>
public enum PolicyMoment
{
    /// <summary>When a pass has ended and it is known what has to go again.</summary>
    PassEnd,

    /// <summary>Also in between, ten times a second.</summary>
    AnyTime,
}

/// <summary>One rule of a policy: what to do, and when. It does so once a pass at most.</summary>
public sealed record PolicyRule
{
    /// <summary>All of these have to hold; none is always.</summary>
    public PolicyCondition[] When { get; init; } = [];

    /// <summary>What is done then.</summary>
    public required PolicyAction Then { get; init; }

    /// <summary>When it is looked at.</summary>
    public PolicyMoment At { get; init; }

    /// <summary>Whether it is done only once in a migration.</summary>
    public bool Once { get; init; }

    /// <summary>Why, in words, for whoever reads the decision; empty for none.</summary>
    public string Because { get; init; } = "";

    /// <summary>One line.</summary>
    public override string ToString() =>
        $"{(When.Length == 0 ? "always" : string.Join(" and ", When))}{(At == PolicyMoment.AnyTime ? ", at any time" : "")}{(Once ? ", once" : "")}: {Then}";
}

/// <summary>
/// How a migration is helped to its end: plain data, to be kept in a file and read in a review. Rules are looked at in their order, and none
/// goes beyond what the user allowed. Immutable.
/// </summary>
public sealed record MigrationPolicy
{
    /// <summary>What it is called.</summary>
    public required string Name { get; init; }

    /// <summary>What it is for; empty for nothing.</summary>
    public string Description { get; init; } = "";

    /// <summary>With which share of MaxDowntime as its limit a migration begins, above 0 to 1; rules raise it, and never above MaxDowntime.</summary>
    public double StartDowntime { get; init; } = 1;

    /// <summary>Its rules, in the order in which they are looked at.</summary>
    public PolicyRule[] Rules { get; init; } = [];

    /// <summary>Those that need no file, by name.</summary>
    public static MigrationPolicy[] BuiltIn => [.. BuiltInPolicies.All];

    /// <summary>The built-in one of this name. Throws InvalidPolicy.</summary>
    public static MigrationPolicy Find(string name) => BuiltInPolicies.Find(name);

    /// <summary>From its JSON. Throws <see cref="MigrationErrorId.InvalidPolicy"/>, and says what is wrong in which place.</summary>
    public static MigrationPolicy FromJson(string json) => PolicyJson.Read(json);

    /// <summary>As JSON, in a form that does not change from release to release.</summary>
    public string ToJson() => PolicyJson.Write(this);

    /// <summary>Reads a file. Throws InvalidPolicy, FileFailed.</summary>
    public static MigrationPolicy Load(string path) => PolicyJson.Load(path);

    /// <summary>Writes a file. Throws FileFailed.</summary>
    public void Save(string path) => PolicyJson.Save(this, path);

    /// <summary>Most rules of a policy, and most conditions of a rule.</summary>
    public const int MostRules = 100;

    const int LongestText = 1000;

    /// <summary>Throws <see cref="MigrationErrorId.InvalidPolicy"/> for what can't be.</summary>
    public MigrationPolicy Validate()
    {
        if (string.IsNullOrWhiteSpace(Name) || Name.Length > 100 || Name.Any(char.IsControl))
            throw PolicyText.Invalid("name", "a policy needs a name of at most 100 characters.");
        CheckText(Description, "description");
        if (!(StartDowntime > 0 && StartDowntime <= 1))
            throw PolicyText.Invalid("startDowntime", PolicyText.Format($"it is a share of MaxDowntime, above 0 to 1, and is {StartDowntime}."));
        if (Rules.Length > MostRules) throw PolicyText.Invalid("rules", $"at most {MostRules}, and there are {Rules.Length}.");
        for (var at = 0; at < Rules.Length; at++) Check(Rules[at], $"rules[{at}]");
        if (Rules.Count(DecidesItself) > 1) throw PolicyText.Invalid("rules", "AutoConverge, DirtyLimit and Adaptive exclude each other, and are there once.");
        return this;
    }

    /// <summary>Whether one of its rules does that.</summary>
    internal bool Has(PolicyActionKind kind) => Rules.Any(rule => rule.Then.Kind == kind);

    /// <summary>Whether it is one of QEMU's own ways.</summary>
    internal static bool IsQemu(PolicyRule rule) => rule.Then.Kind is PolicyActionKind.AutoConverge or PolicyActionKind.DirtyLimit;

    static bool DecidesItself(PolicyRule rule) => IsQemu(rule) || rule.Then.Kind == PolicyActionKind.Adaptive;

    static void Check(PolicyRule rule, string place)
    {
        if (rule.When.Length > MostRules) throw PolicyText.Invalid(place, $"at most {MostRules} conditions, and there are {rule.When.Length}.");
        CheckText(rule.Because, $"{place}.because");
        for (var at = 0; at < rule.When.Length; at++) rule.When[at].Check($"{place}.when[{at}]");
        rule.Then.Check($"{place}.then");
        if (DecidesItself(rule) && (rule.At == PolicyMoment.AnyTime || rule.Once))
            throw PolicyText.Invalid(place, $"{rule.Then.Kind} decides by itself when: at and once are not for it.");
    }

    /// <summary>It is shown, and must not tell a terminal anything but where a line ends.</summary>
    static void CheckText(string text, string place)
    {
        if (text.Length > LongestText) throw PolicyText.Invalid(place, $"at most {LongestText} characters.");
        if (text.Any(one => char.IsControl(one) && one is not ('\n' or '\r' or '\t'))) throw PolicyText.Invalid(place, "it has control characters.");
    }

    /// <summary>Its name.</summary>
    public override string ToString() => Name;
}
