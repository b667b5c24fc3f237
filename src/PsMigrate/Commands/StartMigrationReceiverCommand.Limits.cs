using System.Management.Automation;
using System.Management.Automation.Language;
using PsMigrate.Arguments;
using PsMigrate.Engine;
using PsMigrate.Engine.Model;
using PsMigrate.Running;

namespace PsMigrate.Commands;

/// <summary>Whom it lets in, how many at a time, and how long it waits for them.</summary>
public sealed partial class StartMigrationReceiverCommand
{
    /// <summary>Decides about each guest.</summary>
    [Parameter(HelpMessage = "Is asked about each guest that all else allows, before any of its memory comes: param($request), with Name, Uuid, MemorySize, "
        + "ProcessorCount, MachineType, Peer, TlsSubject, Channels. $true lets it in; $false, text (the reason) or an error refuses it. Runs in a "
        + "runspace of its own, with this module and none of your variables.")]
    [ValidateNotNull]
    public ScriptBlock? AcceptScript { get; set; }

    /// <summary>How long it may take.</summary>
    [Parameter(HelpMessage = "How long -AcceptScript may take, with the wait until it has answered for others, before the guest is refused: a TimeSpan, text "
        + "such as 30s, or a number of seconds. 10 s by default.")]
    [Duration(BareNumber.Seconds)]
    public TimeSpan? AcceptTimeout { get; set; }

    /// <summary>The most migrations.</summary>
    [Parameter(HelpMessage = "Migrations at one time, 64 by default. Up to 256 more wait for a place for half of -IdleTimeout, first come, first served.")]
    [ValidateRange(1, int.MaxValue)]
    public int? MaxMigrations { get; set; }

    /// <summary>The most connections of nobody.</summary>
    [Parameter(HelpMessage = "Connections at one time that have not come to a guest, 1024 by default. With more the oldest makes room, of the address that "
        + "most of them come from.")]
    [ValidateRange(1, int.MaxValue)]
    public int? MaxConnections { get; set; }

    /// <summary>How long until it is known who comes.</summary>
    [Parameter(HelpMessage = "How long a connection may take for each step of saying who comes (TLS's greeting, the first bytes, the rest): a TimeSpan, text such as 5s, or "
        + "a number of seconds. 10 s by default.")]
    [Duration(BareNumber.Seconds)]
    public TimeSpan? FirstWordTimeout { get; set; }

    /// <summary>How long a source may be silent.</summary>
    [Parameter(HelpMessage = "How long a source may say nothing once its guest is known: a TimeSpan, text such as 2m, or a number of seconds. 60 s by default.")]
    [Duration(BareNumber.Seconds)]
    public TimeSpan? IdleTimeout { get; set; }

    /// <summary>How long for RUN.</summary>
    [Parameter(HelpMessage = "How long a guest that is loaded waits for the word to run: a TimeSpan, text such as 2m, or a number of seconds. 60 s by default.")]
    [Duration(BareNumber.Seconds)]
    public TimeSpan? RunTimeout { get; set; }

    ReceiverOptions WithLimits(ReceiverOptions options) => options with
    {
        MaxMigrations = MaxMigrations ?? options.MaxMigrations,
        MaxConnections = MaxConnections ?? options.MaxConnections,
        FirstWordTimeout = FirstWordTimeout ?? options.FirstWordTimeout,
        IdleTimeout = IdleTimeout ?? options.IdleTimeout,
        RunTimeout = RunTimeout ?? options.RunTimeout,
        RecoverTimeout = RecoverTimeout ?? options.RecoverTimeout,
        AcceptTimeout = AcceptTimeout ?? options.AcceptTimeout,
    };

    /// <summary>Starts it, with the script; when that does not come about the script's runspace goes again.</summary>
    MigrationReceiver StartReceiver(ReceiverOptions options)
    {
        if (AcceptScript is null) return MigrationReceiver.Start(options);
        var script = new AcceptScript(AcceptScript, System.IO.Path.Combine(MyInvocation.MyCommand.Module.ModuleBase, "PsMigrate.psd1"),
            SessionState.Path.CurrentFileSystemLocation.Path);
        try
        {
            return MigrationReceiver.Start(options with { Accept = script.Ask, Stopped = script.Close });
        }
        catch
        {
            script.Close();
            throw;
        }
    }

    /// <summary>Throws InvalidParameter for what could never do.</summary>
    void CheckScript()
    {
        if (AcceptScript is null && AcceptTimeout is not null)
            throw new MigrationException(MigrationErrorId.InvalidParameter, MigrationSide.User, "-AcceptTimeout needs -AcceptScript.");
        if (AcceptScript?.Ast.Find(part => part is UsingExpressionAst, searchNestedScriptBlocks: true) is { } use)
            throw new MigrationException(MigrationErrorId.InvalidParameter, MigrationSide.User,
                $"-AcceptScript can't have {use.Extent.Text}: it runs long after this, in a runspace of its own. Put the value into its text, or let it read a file.");
    }
}
