using System.Collections;
using System.Globalization;
using System.Text;

namespace PsMigrate.Engine.VmState;

/// <summary>Values of devices for people.</summary>
static class FieldText
{
    // What fits a line of a terminal.
    const int MaxBytes = 24;
    const int MaxElements = 8;

    public static string Of(object? value) => value switch
    {
        null => "null",
        bool flag => flag ? "true" : "false",
        byte[] bytes => OfBytes(bytes),
        DecodedState state => $"{{{state.Name}}}",
        IList list => OfList(list),
        IFormattable number => Number(number),
        _ => value.ToString() ?? "",
    };

    static string Number(IFormattable number)
    {
        var text = number.ToString(null, CultureInfo.InvariantCulture);
        return text.Length < 2 ? text : $"{text} (0x{number.ToString("x", CultureInfo.InvariantCulture)})";
    }

    static string OfList(IList list)
    {
        var shown = string.Join(", ", list.Cast<object?>().Take(MaxElements).Select(Of));
        return list.Count > MaxElements ? $"[{list.Count}] {shown}, …" : $"[{list.Count}] {shown}";
    }

    static string OfBytes(byte[] bytes)
    {
        var text = bytes.AsSpan().TrimEnd((byte)0);
        if (text.Length > 1 && !text.ContainsAnyExceptInRange((byte)' ', (byte)'~')) return $"\"{Encoding.ASCII.GetString(text)}\"";
        if (bytes.Length > 0 && text.IsEmpty) return $"{bytes.Length} bytes, all zero";
        var shown = Convert.ToHexStringLower(bytes.AsSpan(0, Math.Min(MaxBytes, bytes.Length)));
        return bytes.Length > MaxBytes ? $"{bytes.Length} bytes, {shown}…" : shown;
    }
}
