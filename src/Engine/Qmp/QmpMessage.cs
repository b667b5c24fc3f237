using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Qmp;

/// <summary>Lines to JSON, and what can be wrong with them.</summary>
static class QmpMessage
{
    /// <summary>How deep objects and arrays may lie in each other. QEMU's answers stay below twenty.</summary>
    public const int MaxDepth = 64;

    /// <summary>The JSON object of a line, whose texts can all be read. Throws QmpProtocolError.</summary>
    public static JsonElement Parse(MigrationUri uri, ReadOnlySpan<byte> line)
    {
        if (!Utf8.IsValid(line)) throw QmpErrors.NoQmp(uri, $"it sent bytes that are no UTF-8: {QmpErrors.Quote(line)}.");
        try
        {
            // Half a surrogate pair would only be found when the text is read.
            if (line.IndexOf("\\u"u8) >= 0) ReadTexts(line);
            return JsonElement.Parse(line, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            var pretty = line.TrimEnd("\r "u8).SequenceEqual("{"u8) ? " QMP with pretty=on is not supported." : "";
            throw QmpErrors.NoQmp(uri, $"it sent no JSON in one line: {QmpErrors.Quote(line)}.{pretty}", error);
        }
    }

    /// <summary>
    /// What the greeting says of QEMU's version, the text of its package, and whether it offers out-of-band commands. Throws
    /// QmpProtocolError.
    /// </summary>
    public static (Version Version, string Package, bool OffersOutOfBand) ReadGreeting(MigrationUri uri, JsonElement message)
    {
        var greeting = message.Field("QMP");
        var version = greeting.Field("version");
        return Version(version.Field("qemu")) is { } qemu
            ? (qemu, version.Text("package") ?? "", greeting.Texts("capabilities").Contains("oob"))
            : throw QmpErrors.NoQmp(uri, $"its first message is no greeting with a version: {QmpErrors.Quote(message)}.");
    }

    /// <summary>major.minor.micro; null where they can't be a version.</summary>
    public static Version? Version(JsonElement from)
    {
        return Part("major") is { } major && Part("minor") is { } minor && Part("micro") is { } micro ? new(major, minor, micro) : null;

        int? Part(string name) => from.Number(name) is { } value and >= 0 and <= int.MaxValue ? (int)value : null;
    }

    /// <summary>The line of a command, with its end.</summary>
    public static byte[] Write(string verb, string command, JsonObject? arguments, long id)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString(verb, command);
            if (arguments is not null)
            {
                json.WritePropertyName("arguments");
                arguments.WriteTo(json);
            }
            json.WriteNumber("id", id);
            json.WriteEndObject();
        }
        buffer.WriteByte((byte)'\n');
        return buffer.ToArray();
    }

    static void ReadTexts(ReadOnlySpan<byte> line)
    {
        var json = new Utf8JsonReader(line, new JsonReaderOptions { MaxDepth = MaxDepth });
        while (json.Read())
            if (json.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && json.ValueIsEscaped) json.GetString();
    }
}
