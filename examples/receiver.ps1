<#
.SYNOPSIS
    Takes guests in, and tells of each one.
.DESCRIPTION
    Listens until so many guests have arrived. Each goes on here from the tick at which it stopped at its source. The guests live in this
    process and end with it. The first line of output is the address.

    dotnet run --project src/Shell -- -File examples/receiver.ps1 -Uri tcp:127.0.0.1:4444
#>
[CmdletBinding()]
param(
    [string] $Uri = 'tcp:127.0.0.1:0',
    [int] $Count = 1,
    # How long to wait for the guests, and how long to watch each one that has arrived, in seconds.
    [double] $Timeout = 600,
    [double] $Watch = 1
)

$ErrorActionPreference = 'Stop'
if (-not (Get-Module PsMigrate)) { Import-Module "$PSScriptRoot/../output/Debug/PsMigrate/PsMigrate.psd1" }

$receiver = Start-MigrationReceiver $Uri
try {
    "$($receiver.Uri)"
    $receiver | Wait-MigrationReceiver -Count $Count -Timeout $Timeout | ForEach-Object {
        if ($_.Error) { "$($_.Name) did not arrive: $($_.Error.Message)"; return }
        $before = @($_.Guest.Ticks)
        [System.Threading.Thread]::Sleep([timespan]::FromSeconds($Watch))
        '{0} arrived from {1} with {2:0} MB in {3:0.0} s and is {4}: {5} writes since.' -f $_.Name, $_.Peer, ($_.ReceivedBytes / 1MB),
        $_.TotalTime.TotalSeconds, $_.Guest.State, ($_.Guest.Ticks[0] - $before[0])
    }
}
finally {
    $receiver | Stop-MigrationReceiver
}
