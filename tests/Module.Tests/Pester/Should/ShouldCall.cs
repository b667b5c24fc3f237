using System.Management.Automation;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>One assertion as it was written: the value, the parameters of its operator, and whether it is turned round.</summary>
sealed class ShouldCall(PSCmdlet cmdlet, IReadOnlyDictionary<string, object?> arguments)
{
    public PSCmdlet Cmdlet { get; } = cmdlet;

    public object? Actual { get; init; }

    public bool Not { get; } = IsOn(arguments, "Not");

    public string Because => Text("Because") is { Length: > 0 } reason ? $" because {reason}," : "";

    public object? this[string name] => arguments.GetValueOrDefault(name);

    public bool Has(string name) => arguments.ContainsKey(name);

    public bool IsOn(string name) => IsOn(arguments, name);

    public string? Text(string name) => this[name] is { } value ? LanguagePrimitives.ConvertTo<string>(value) : null;

    /// <summary>A type given as itself or by name, as <c>-BeOfType</c> and others take it.</summary>
    public Type? Type(string name) => this[name] switch
    {
        null => null,
        PSObject { BaseObject: Type wrapped } => wrapped,
        Type type => type,
        var value => LanguagePrimitives.TryConvertTo<Type>(
            LanguagePrimitives.ConvertTo<string>(value).TrimStart('[').TrimEnd(']'), out var parsed)
            ? parsed
            : throw new PesterRefusedException($"There is no type {value}.")
    };

    /// <summary>The failure of this assertion; a lone piped value is shown as itself, not as a collection of one.</summary>
    public PesterAssertionException Failure(string expected) =>
        new($"Expected {expected},{Because} but got {Wording.Of(Actual is object?[] { Length: 1 } one ? one[0] : Actual)}.");

    static bool IsOn(IReadOnlyDictionary<string, object?> arguments, string name) =>
        arguments.TryGetValue(name, out var value) && LanguagePrimitives.IsTrue(value);
}
