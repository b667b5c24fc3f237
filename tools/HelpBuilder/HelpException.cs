namespace PsMigrate.HelpBuilder;

/// <summary>The Markdown is damaged; says where.</summary>
sealed class HelpException(string file, int line, string message) : Exception($"{file}:{line}: {message}");
