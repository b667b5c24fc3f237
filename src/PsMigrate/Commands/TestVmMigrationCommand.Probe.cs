using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Completion;
using PsMigrate.Engine;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Commands;

/// <summary>What the link carries, found out by sending: the one thing of a forecast that touches anything.</summary>
public sealed partial class TestVmMigrationCommand
{
    static readonly TimeSpan ProbeTime = TimeSpan.FromSeconds(1);

    readonly CancellationTokenSource _stopped = new();
    double? _probed;

    /// <summary>Whom to probe.</summary>
    [Parameter(HelpMessage = "A PsMigrate receiver, tcp:HOST:PORT or unix:PATH, that is sent bytes which mean nothing, for about a second, to find out what the "
        + "link carries. Nothing of a guest is sent. Never a QEMU: one that waits for a migration ends when it is connected. Not with -Bandwidth.")]
    [ValidateNotNullOrEmpty]
    [Destination]
    [ArgumentCompleter(typeof(DestinationCompleter))]
    public string? Probe { get; set; }

    /// <inheritdoc/>
    protected override void StopProcessing() => _stopped.Cancel();

    /// <summary>Once, before anything is measured, so that it disturbs nothing of that. Throws what a probe throws.</summary>
    void ProbeLink()
    {
        var tls = TlsOptions();
        if (Probe is null) return;
        if (IsBound(nameof(Bandwidth))) throw Invalid("-Bandwidth says what the link carries, and -Probe would find it out: give one of them.");
        // Somebody who only wants to know what would happen wants nothing to happen.
        if (GetVariableValue("WhatIfPreference") is true) throw Invalid("-Probe connects and sends, which is not done with $WhatIfPreference set.");
        var receiver = FileLookup.Address(SessionState.Path, Probe);
        WriteVerbose($"Probing {receiver} for about {ProbeTime.TotalSeconds:0} s.");
        try
        {
            _probed = MigrationForecasts.ProbeBandwidth(receiver, ProbeTime, tls, _stopped.Token);
        }
        catch (OperationCanceledException)
        {
            throw new PipelineStoppedException();
        }
    }
}
