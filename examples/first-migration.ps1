<#
.SYNOPSIS
    A running guest migrates to another host of this process, and back.
.DESCRIPTION
    Makes a guest of 1 GiB with two vCPUs that write 200 MB/s, most of it to few pages, and migrates it while it writes. Each pass is a
    record that comes down the pipeline when the pass ends. Nothing is left behind.

    dotnet run --project src/Shell -- -File examples/first-migration.ps1
#>
[CmdletBinding()]
param(
    [long] $MemorySize = 1GB,
    [string] $DirtyRate = '200MB/s',
    [string] $MaxBandwidth = '500MB/s'
)

$ErrorActionPreference = 'Stop'
if (-not (Get-Module PsMigrate)) { Import-Module "$PSScriptRoot/../output/Debug/PsMigrate/PsMigrate.psd1" }
$name = "first-$([guid]::NewGuid().ToString('N').Substring(0, 6))"

try {
    $guest = New-MigrationGuest $name $MemorySize -ProcessorCount 2 -Workload HotSpot -DirtyRate $DirtyRate -Content Mixed -PassThru
    "Guest $name runs on host $($guest.Host), and its vCPUs write $DirtyRate. It goes to host rack2:"

    # -Verify holds the guest at the end until the digests of both ends agree, and counts that as a part of the downtime.
    $last = $null
    Start-VmMigration $name local:rack2 -MaxBandwidth $MaxBandwidth -MaxDowntime 100ms -Verify |
        ForEach-Object { $last = $_; $_ }

    $result = $last.Result
    $guest = Get-MigrationGuest $name
    ''
    "$($result.State): the guest is $($guest.State) on host $($guest.Host) after $($guest.Ticks -join ' and ') writes of its vCPUs."
    'Downtime {0:0.0} ms: {1}.' -f $result.Downtime.TotalMilliseconds, $result.DowntimeParts
    "Digest at the source:      $($result.SourceDigest)"
    "Digest at the destination: $($result.DestinationDigest)"
    if (-not $result.Verified) { throw 'The digests differ.' }

    ''
    'Back again, and of the passes only those that sent less than a tenth of the memory:'
    Start-VmMigration $name local: -MaxBandwidth $MaxBandwidth -MaxDowntime 100ms |
        Where-Object { $_.Bytes -lt $_.TotalBytes / 10 } |
        ForEach-Object { 'pass {0}: {1,6:0.0} MB in {2,4:0} ms' -f $_.Iteration, ($_.Bytes / 1MB), $_.Duration.TotalMilliseconds }
}
finally {
    Remove-MigrationGuest $name -Force -ErrorAction Ignore
}
