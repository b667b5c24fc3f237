using System.Collections;
using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Language;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;

namespace PsMigrate.Completion;

/// <summary>One suggestion: what is inserted, and what is said of it.</summary>
readonly record struct Suggestion(string Text, string ToolTip);

/// <summary>Offers what fits the word typed so far; the word may be quoted and may hold wildcards.</summary>
public abstract class Completer : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        var word = (wordToComplete ?? "").Trim('\'', '"');
        var pattern = new WildcardPattern(word + "*", WildcardOptions.IgnoreCase | WildcardOptions.CultureInvariant);
        foreach (var suggestion in Suggest(fakeBoundParameters).DistinctBy(suggestion => suggestion.Text))
        {
            if (pattern.IsMatch(suggestion.Text))
                yield return new CompletionResult(
                    Quote(suggestion.Text), suggestion.Text, CompletionResultType.ParameterValue, suggestion.ToolTip);
        }
    }

    private protected abstract IEnumerable<Suggestion> Suggest(IDictionary bound);

    /// <summary>In quotes where the bare word would be read as something else.</summary>
    static string Quote(string text) =>
        text.Length > 0 && text.All(c => char.IsLetterOrDigit(c) || c is '-' or '_' or '.' or ':' or '/' or '\\') && text[0] != '-'
            ? text
            : $"'{CodeGeneration.EscapeSingleQuotedStringContent(text)}'";
}

/// <summary>Names of guests, on the host that the command line names, if any.</summary>
public sealed class GuestNameCompleter : Completer
{
    private protected override IEnumerable<Suggestion> Suggest(IDictionary bound)
    {
        var host = new WildcardPattern(bound?["HostName"] as string ?? "*", WildcardOptions.IgnoreCase);
        return GuestRegistry.All.Where(guest => host.IsMatch(guest.Host)).Select(guest => new Suggestion(guest.Name,
            $"{guest.State}, {Figures.Size(guest.MemorySize)}, {Figures.Count(guest.ProcessorCount, "vCPU")}, "
            + $"{guest.Kind}, host {guest.Host}"));
    }
}

/// <summary>The in-process hosts that have guests or receivers.</summary>
public sealed class HostNameCompleter : Completer
{
    private protected override IEnumerable<Suggestion> Suggest(IDictionary bound) =>
        GuestRegistry.All.GroupBy(guest => guest.Host, StringComparer.OrdinalIgnoreCase)
            .Select(host => new Suggestion(host.Key, Figures.Count(host.Count(), "guest")))
            .Concat(ReceiverRegistry.All.Select(receiver =>
                new Suggestion(receiver.HostName, $"receiver {receiver.Id} at {receiver.Uri}")));
}

/// <summary>Numbers of migrations, running ones first.</summary>
public sealed class MigrationIdCompleter : Completer
{
    private protected override IEnumerable<Suggestion> Suggest(IDictionary bound) =>
        MigrationRegistry.All.OrderBy(migration => migration.IsEnded).Select(migration => new Suggestion(
            migration.Id.ToString(CultureInfo.InvariantCulture), $"{migration.Name} to {migration.Destination}: {migration.Status}"));
}

/// <summary>Names of guests that are being or were migrated.</summary>
public sealed class MigrationNameCompleter : Completer
{
    private protected override IEnumerable<Suggestion> Suggest(IDictionary bound) =>
        MigrationRegistry.All.Reverse().OrderBy(migration => migration.IsEnded).Select(migration =>
            new Suggestion(migration.Name, $"migration {migration.Id} to {migration.Destination}: {migration.Status}"));
}

/// <summary>Numbers of receivers.</summary>
public sealed class ReceiverIdCompleter : Completer
{
    private protected override IEnumerable<Suggestion> Suggest(IDictionary bound) =>
        ReceiverRegistry.All.Select(receiver => new Suggestion(receiver.Id.ToString(CultureInfo.InvariantCulture),
            $"{receiver.Uri}, host {receiver.HostName}: {receiver.Status}, {receiver.ArrivedCount} arrived"));
}

/// <summary>Where a guest could go: receivers of this process, where others went, and the ways to write an address.</summary>
public sealed class DestinationCompleter : Completer
{
    private protected override IEnumerable<Suggestion> Suggest(IDictionary bound) =>
    [
        .. ReceiverRegistry.All.Where(receiver => receiver.Status == ReceiverStatus.Listening)
            .Select(receiver => new Suggestion(receiver.Uri.ToString(), $"receiver {receiver.Id}, host {receiver.HostName}")),
        .. MigrationRegistry.All.Reverse().Select(migration =>
            new Suggestion(migration.Destination.ToString(), $"where {migration.Name} went: {migration.Status}")),
        new("local:", "local:NAME, another host inside this process"),
        new("tcp:", "tcp:HOST:PORT or tcp:[IPV6]:PORT, a PsMigrate receiver or a QEMU started with -incoming"),
        new("unix:", "unix:PATH, the same through a socket in the file system"),
        new("file:", "file:PATH, the guest's state in a file"),
        new("exec:", "exec:COMMAND, the guest's state on the standard input of a command"),
    ];
}

/// <summary>Where a migration that is paused could go on: receivers of this process, where others went, and the ways to write an address.</summary>
public sealed class RecoveryAddressCompleter : Completer
{
    private protected override IEnumerable<Suggestion> Suggest(IDictionary bound) =>
    [
        .. ReceiverRegistry.All.Where(receiver => receiver.Status == ReceiverStatus.Listening)
            .Select(receiver => new Suggestion(receiver.Uri.ToString(), $"receiver {receiver.Id}, host {receiver.HostName}")),
        .. MigrationRegistry.All.Reverse().Where(migration => migration.Status == MigrationStatus.PostcopyPaused)
            .Select(migration => new Suggestion(migration.Destination.ToString(), $"where {migration.Name} went")),
        new("tcp:", "tcp:HOST:PORT or tcp:[IPV6]:PORT, another way to the process that has the guest"),
        new("unix:", "unix:PATH, the same through a socket in the file system"),
    ];
}

/// <summary>Where a guest could be restored from, besides plain files.</summary>
public sealed class OriginCompleter : Completer
{
    private protected override IEnumerable<Suggestion> Suggest(IDictionary bound) =>
    [
        new("exec:zstd -dc ", "exec:COMMAND, a stream on the standard output of a command"),
        new("exec:gzip -dc ", "exec:COMMAND, a stream on the standard output of a command"),
        new("file:", "file:PATH,offset=N, a stream that does not begin with the file"),
    ];
}

/// <summary>Where a receiver could listen.</summary>
public sealed class ListenAddressCompleter : Completer
{
    private protected override IEnumerable<Suggestion> Suggest(IDictionary bound) =>
    [
        new("tcp:127.0.0.1:0", "loopback, on a port that the system chooses"),
        new("tcp:[::1]:0", "the same with IPv6"),
        new("tcp:0.0.0.0:4444", "all addresses of this machine; needs -AllowInsecure"),
        new("unix:", "unix:PATH, a socket in the file system"),
    ];
}

/// <summary>Where QMP sockets could be: of guests whose connection was lost, and the ways to write an address.</summary>
public sealed class QmpAddressCompleter : Completer
{
    private protected override IEnumerable<Suggestion> Suggest(IDictionary bound) =>
    [
        .. GuestRegistry.All.OfType<QemuGuest>().Where(guest => !guest.IsConnected)
            .Select(guest => new Suggestion(guest.Uri.ToString(), $"where {guest.Name} was connected")),
        new("unix:", "unix:PATH, the socket of a QEMU started with -qmp unix:PATH,server=on,wait=off"),
        new("tcp:", "tcp:HOST:PORT, the same over TCP; anyone who can connect has all rights over that QEMU"),
    ];
}

/// <summary>What can be at a destination: one of ours, or a release of QEMU, of which those that differ in how channels work are marked.</summary>
public sealed class PeerVersionCompleter : Completer
{
    static readonly string[] LikeThat = ["9.1", "9.2", "10.0", "10.1", "10.2", "11.0", "11.1"];

    private protected override IEnumerable<Suggestion> Suggest(IDictionary bound) =>
    [
        new("PsMigrate", "a PsMigrate receiver"),
        new("7.2", "QEMU 7.2: every section ends with a mark, zero pages go through the main channel"),
        new("8.0", "QEMU 8.0: as 7.2"),
        new("8.1", "QEMU 8.1: marks of their own"),
        new("8.2", "QEMU 8.2: as 8.1"),
        new("9.0", "QEMU 9.0: zero pages go through the channels"),
        .. LikeThat.Select(release => new Suggestion(release, $"QEMU {release}: as 9.0")),
    ];
}
