using System.Management.Automation;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Commands;

/// <summary>What was, or can be, said before it begins.</summary>
public sealed partial class StartVmMigrationCommand
{
    // Of a what-if, which should not take long.
    static readonly TimeSpan ForecastTime = TimeSpan.FromSeconds(1);

    /// <summary>What was promised.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true,
        HelpMessage = "What a forecast promised; the result shows it beside what came. It comes with a forecast of Test-VmMigration on the pipeline.")]
    public MigrationPromise? Promise { get; set; }

    bool IsWhatIf => MyInvocation.BoundParameters.TryGetValue("WhatIf", out var given) ? given is SwitchParameter { IsPresent: true }
        : GetVariableValue("WhatIfPreference") is true;

    /// <summary>With -WhatIf, how it would go, where the link is known: the guest is measured for a second, and nothing is connected.</summary>
    string Outlook(Guest guest, MigrationUri destination, MigrationParameters parameters)
    {
        if (!IsWhatIf || guest.Kind == GuestKind.Captured || !MigrationForecasts.IsLinkKnown(destination, parameters)) return "";
        if (Promise is { } promise) return $" Forecast: {promise}.";
        try
        {
            using var measurement = guest.MeasureDirtyRate(new DirtyRateOptions { Duration = ForecastTime });
            GuestDirtyRate? rate;
            while ((rate = measurement.TryFinish(Tick)) is null)
                if (Stopping) return "";
            measurement.Dispose();
            return $" {ForecastText.Sentence(MigrationForecasts.Make(guest, destination, parameters, rate))}";
        }
        catch (MigrationException error)
        {
            return $" There is no forecast: {error.Message}";
        }
    }
}
