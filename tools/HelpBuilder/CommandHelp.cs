namespace PsMigrate.HelpBuilder;

/// <summary>The help of one cmdlet, as it was written; all text is plain.</summary>
sealed record CommandHelp(string File, string Name, string HelpFile)
{
    public required IReadOnlyList<string> Synopsis { get; init; }
    public required IReadOnlyList<string> Description { get; init; }
    public required IReadOnlyList<SyntaxHelp> Syntax { get; init; }
    public required IReadOnlyList<ExampleHelp> Examples { get; init; }
    public required IReadOnlyList<ParameterHelp> Parameters { get; init; }
    public required IReadOnlyList<TypeHelp> Inputs { get; init; }
    public required IReadOnlyList<TypeHelp> Outputs { get; init; }
    public required IReadOnlyList<string> Notes { get; init; }
    public required IReadOnlyList<LinkHelp> Links { get; init; }

    /// <summary>The parameter, or the standard one that no help needs to describe.</summary>
    public ParameterHelp? Parameter(string name) =>
        Parameters.FirstOrDefault(p => string.Equals(p.Name, name, StringComparison.OrdinalIgnoreCase)) ?? ParameterHelp.Standard(name);
}

/// <summary>One parameter set: its parameters in the order of the syntax line.</summary>
sealed record SyntaxHelp(int Line, string? SetName, IReadOnlyList<SyntaxParameter> Parameters);

/// <summary>A parameter as a syntax line shows it: in brackets or not, with a value or (a switch) without.</summary>
sealed record SyntaxParameter(string Name, bool IsRequired, bool IsPositional, string? Value);

/// <summary>An example: text, commands, and what comes after them (output included).</summary>
sealed record ExampleHelp(string Title, IReadOnlyList<string> Introduction, string Code, IReadOnlyList<string> Remarks);

/// <summary>A type that goes in or comes out.</summary>
sealed record TypeHelp(string Name, IReadOnlyList<string> Text);

/// <summary>Where to read on: a cmdlet, a topic or an address.</summary>
sealed record LinkHelp(string Text, string Uri);

/// <summary>A parameter and what its yaml block says of it.</summary>
sealed record ParameterHelp(int Line, string Name, IReadOnlyList<string> Text, IReadOnlyDictionary<string, string> Facts)
{
    static readonly Dictionary<string, string> StandardTexts = new(StringComparer.OrdinalIgnoreCase)
    {
        ["WhatIf"] = "Shows what would happen if the cmdlet runs. The cmdlet is not run.",
        ["Confirm"] = "Prompts you for confirmation before running the cmdlet."
    };

    public string Type => Facts["Type"];

    public bool IsSwitch => Type.EndsWith("SwitchParameter", StringComparison.OrdinalIgnoreCase);

    public IReadOnlyList<string> Sets => List("Parameter Sets") is ["(All)"] ? [] : List("Parameter Sets");

    public IReadOnlyList<string> AcceptedValues => List("Accepted values");

    public string Aliases => List("Aliases") is { Length: > 0 } aliases ? string.Join(", ", aliases) : "none";

    public bool IsRequired => Is("Required");

    public string Position => Fact("Position") is { Length: > 0 } position ? position.ToLowerInvariant() : "named";

    public string DefaultValue => Fact("Default value") is { Length: > 0 } value ? value : "None";

    public string PipelineInput => Fact("Accept pipeline input") is { Length: > 0 } value ? value : "False";

    public bool TakesWildcards => Is("Accept wildcard characters");

    public static ParameterHelp? Standard(string name) => StandardTexts.TryGetValue(name, out var text)
        ? new ParameterHelp(0, name, [text], new Dictionary<string, string> { ["Type"] = "SwitchParameter", ["Default value"] = "False" })
        : null;

    string Fact(string key) => Facts.GetValueOrDefault(key, "");

    bool Is(string key) => string.Equals(Fact(key), "True", StringComparison.OrdinalIgnoreCase);

    string[] List(string key) => Fact(key).Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}
