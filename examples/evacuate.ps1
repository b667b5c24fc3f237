<#
.SYNOPSIS
    A host is emptied: several guests migrate in the background, two at a time.
.DESCRIPTION
    Makes five guests on host rack1 and migrates all of them to host rack2 in one job, with a child job for each. Says where each one ended
    up, and for how long it stood still.

    dotnet run --project src/Shell -- -File examples/evacuate.ps1
#>
[CmdletBinding()]
param(
    [int] $Guests = 5,
    [int] $ThrottleLimit = 2,
    # How long one guest may stand still.
    [string] $MaxDowntime = '100ms'
)

$ErrorActionPreference = 'Stop'
if (-not (Get-Module PsMigrate)) { Import-Module "$PSScriptRoot/../output/Debug/PsMigrate/PsMigrate.psd1" }
$prefix = "evacuate-$([guid]::NewGuid().ToString('N').Substring(0, 4))"

try {
    foreach ($i in 1..$Guests) {
        New-MigrationGuest "$prefix-$i" 64MB -Workload Random -DirtyRate "$(10 * $i)MB/s" -Content Random -HostName rack1
    }

    $job = Get-MigrationGuest "$prefix-*" -HostName rack1 |
        Start-VmMigration -Destination local:rack2 -MaxDowntime $MaxDowntime -MaxBandwidth 100MB -ThrottleLimit $ThrottleLimit -AsJob
    "Job $($job.Id) has $($job.ChildJobs.Count) children, one for each guest."

    # What this gives is the stream of all passes of all guests; here only how each one ended is of interest.
    $job | Receive-Job -Wait | Where-Object { $_.IsFinal } | ForEach-Object {
        '{0}: {1}, at {2}, {3} passes, {4:0.0} s, stood still for {5:0.0} ms' -f $_.Name, $_.State, $_.Result.Location, $_.Iteration,
        $_.TotalTime.TotalSeconds, $_.Downtime.TotalMilliseconds
    }
    "Job $($job.Id) is $($job.State)."
    "Left on rack1: $(@(Get-MigrationGuest "$prefix-*" -HostName rack1).Count). On rack2: $(@(Get-MigrationGuest "$prefix-*" -HostName rack2).Count)."
    $job | Remove-Job
}
finally {
    Remove-MigrationGuest "$prefix-*" -Force -ErrorAction Ignore
}
