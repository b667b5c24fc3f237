using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Completion;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Commands;

/// <summary>Listens for guests; each one that arrives goes on here.</summary>
[Cmdlet(VerbsLifecycle.Start, "MigrationReceiver", SupportsShouldProcess = true)]
[OutputType(typeof(ReceiverState))]
public sealed partial class StartMigrationReceiverCommand : EngineCmdlet
{
    /// <summary>Where to listen.</summary>
    [Parameter(Position = 0, HelpMessage = "Where to listen: tcp:HOST:PORT (port 0 lets the system choose) or unix:PATH. "
        + "tcp:127.0.0.1:0 by default. The Uri of the output has the real port.")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ListenAddressCompleter))]
    public string Uri { get; set; } = "tcp:127.0.0.1:0";

    /// <summary>The in-process host for what arrives.</summary>
    [Parameter(HelpMessage = "The in-process host that arriving guests live on. 'local' by default.")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public string HostName { get; set; } = GuestRegistry.DefaultHost;

    /// <summary>The most memory.</summary>
    [Parameter(HelpMessage = "Most bytes of RAM that guests may have here, for example 16GB; a bigger one is refused. The machine's "
            + "memory by default.")]
    [Size]
    public long MaxMemory { get; set; }

    /// <summary>Who may come.</summary>
    [Parameter(HelpMessage = "Names of guests that may come, with wildcards; others are refused. All by default.")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[] AllowedName { get; set; } = ["*"];

    /// <summary>Multifd channels of each source.</summary>
    [Parameter(HelpMessage = "How many multifd channels (multifd-channels) a QEMU that sends here has. As many as it connects by default.")]
    [ValidateRange(0, ReceiverOptions.MaxChannels)]
    public int Channels { get; set; }

    /// <summary>How long a broken postcopy is kept.</summary>
    [Parameter(HelpMessage = "How long a postcopy whose link broke is kept for its source to recover: a TimeSpan, text such as 10m, or a "
        + "number of seconds; 0 is not at all. One hour by default.")]
    [Duration(BareNumber.Seconds)]
    public TimeSpan? RecoverTimeout { get; set; }

    /// <summary>Sources wait for an acknowledgement.</summary>
    [Parameter(HelpMessage = "The QEMUs that send here have the capability switchover-ack on, and wait for an acknowledgement.")]
    [Alias("switchover-ack")]
    public SwitchParameter SwitchoverAck { get; set; }

    /// <summary>Listen without protection.</summary>
    [Parameter(HelpMessage = "Listen on an address outside loopback although nothing is encrypted and nobody has to prove who he is.")]
    public SwitchParameter AllowInsecure { get; set; }

    /// <summary>Do not start what arrives.</summary>
    [Parameter(HelpMessage = "Leave arriving guests suspended.")]
    public SwitchParameter Suspended { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        try
        {
            var options = new ReceiverOptions
            {
                Uri = MigrationUri.Parse(Uri), HostName = HostName, MaxMemory = MaxMemory, AllowedName = AllowedName,
                AllowInsecure = AllowInsecure, StartSuspended = Suspended, Channels = Channels,
                SwitchoverAck = SwitchoverAck, Tls = TlsOptions(),
            };
            options = WithLimits(options);
            CheckScript();
            if (!ShouldProcess($"{options.Uri}", $"Listen for guests and run them on host {HostName}")) return;
            if (AllowInsecure && options.Tls is null && !options.Uri.IsLoopback)
                WriteWarning($"Whoever reaches {options.Uri} can send guests here and read what is sent: it is "
                    + " neither encrypted nor authenticated.");
            WriteObject(StartReceiver(options).GetState());
        }
        catch (MigrationException error)
        {
            ThrowFailure(error, Uri);
        }
    }
}
