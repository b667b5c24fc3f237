namespace PsMigrate.Bench;

/// <summary>A measurement that could not be made, or a gate that failed, in words for the person at the console.</summary>
sealed class BenchException(string message, bool isSkip = false) : Exception(message)
{
    /// <summary>Whether it was left out because something is not installed, which is no failure.</summary>
    public bool IsSkip { get; } = isSkip;
}
