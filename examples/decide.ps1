<#
.SYNOPSIS
    A script decides on the way: it throttles first, and lets the guest stand longer where that brings nothing.
.DESCRIPTION
    Makes a guest that writes 2 MB again and again, faster than its link carries them, so that its passes bring nothing. A script is asked about
    each pass: from the third on it slows the guest down, up to -MaxThrottle, and from the sixth on it lets the guest stand for as long as
    -MaxDowntime allows. What it decided is told at the end. Nothing is left behind.

    dotnet run --project src/Shell -- -File examples/decide.ps1
#>
[CmdletBinding()]
param(
    [int] $MaxThrottle = 40,
    [string] $MaxDowntime = '2s'
)

$ErrorActionPreference = 'Stop'
if (-not (Get-Module PsMigrate)) { Import-Module "$PSScriptRoot/../output/Debug/PsMigrate/PsMigrate.psd1" }
$name = "stalling-$([guid]::NewGuid().ToString('N').Substring(0, 6))"

try {
    New-MigrationGuest $name 16MB -ProcessorCount 2 -Workload Sequential -WorkingSet 2MB -DirtyRate 0
    # The limit begins at a hundredth of -MaxDowntime; without the script it would stay there.
    $low = New-MigrationPolicy low -StartDowntime 0.01
    $limits = @{ MaxBandwidth = 8MB; MaxDowntime = $MaxDowntime; MaxThrottle = $MaxThrottle; Means = 'Qemu'; Policy = $low }

    Start-VmMigration $name local:rack2 @limits -Verify -OnIteration {
        param($iteration, $state)
        if ($iteration.Iteration -ge 6) { "DowntimeLimit to $($iteration.MaxDowntime.TotalMilliseconds) ms" }
        elseif ($iteration.Iteration -ge 3 -and $iteration.ThrottlePercent -lt $state.Parameters.MaxThrottle) { 'Throttle by 20 %' }
    } | ForEach-Object { 'Pass {0}: {1:0.0} MB left, the guest is slowed down by {2} %' -f $_.Iteration, ($_.RemainingBytes / 1MB), $_.ThrottlePercent }

    $state = Get-MigrationState -Name $name
    ''
    foreach ($decision in $state.Decisions | Where-Object Policy -EQ OnIteration) { "$($decision.What): $($decision.From) → $($decision.To). $($decision.Reason)" }
    "$($state.State), verified: $($state.Result.Verified); the guest stood still for $([PsMigrate.Figures]::Time($state.Downtime))."
}
finally {
    Remove-MigrationGuest $name -Force -ErrorAction Ignore
}
