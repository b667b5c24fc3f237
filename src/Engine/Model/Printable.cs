namespace PsMigrate.Engine.Model;

/// <summary>Text from the wire in a message: short and without control characters.</summary>
static class Printable
{
    public static string Text(string text, int most = 80) =>
        string.Concat(text.Take(most).Select(c => char.IsControl(c) ? '?' : c)) + (text.Length > most ? "…" : "");
}
