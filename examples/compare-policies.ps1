<#
.SYNOPSIS
    Records a migration that gets nowhere, and asks what would have helped.
.DESCRIPTION
    A guest writes to all of its memory, three times as fast as the link may carry it, and nothing but whole pages are sent (-Means Qemu). After
    three passes the migration is given up; what was recorded until then is gone through again under other policies, as a postcopy, and with
    more bandwidth. Nothing is sent for that, and nothing is left behind.

    dotnet run --project src/Shell -- -File examples/compare-policies.ps1
#>
[CmdletBinding()]
param(
    [long] $MemorySize = 128MB
)

$ErrorActionPreference = 'Stop'
if (-not (Get-Module PsMigrate)) { Import-Module "$PSScriptRoot/../output/Debug/PsMigrate/PsMigrate.psd1" }
$guest = "db-$([guid]::NewGuid().ToString('N').Substring(0, 6))"
$trace = [System.IO.Path]::Combine([System.IO.Path]::GetTempPath(), "$guest.trace.json")
$null = New-MigrationGuest $guest $MemorySize -ProcessorCount 2 -Workload Random -DirtyRate 180MB -Content Random
try {
    'Three passes, of which none leaves much less than the one before:'
    foreach ($once in 1) {
        Start-VmMigration $guest local:rack2 -MaxBandwidth 60MB -MaxDowntime 100ms -Policy Qemu -Means Qemu -RecordTrace $trace -WarningAction SilentlyContinue |
            ForEach-Object {
                "pass $($_.Iteration): $([int]($_.RemainingBytes / 1MB)) MB left"
                if ($_.Iteration -eq 3) { break }
            }
    }

    ''
    'What would have helped?'
    $rows = Compare-MigrationPolicy $trace -Policy Qemu, AutoConverge, DowntimeRamp -Postcopy -Timeout 60s
    $rows
    foreach ($row in $rows) { "$row" }

    ''
    'And with more bandwidth?'
    foreach ($limit in 80MB, 120MB, 240MB) {
        $row = @(Compare-MigrationPolicy $trace -Policy AutoConverge -MaxBandwidth $limit -Timeout 60s)[-1]
        "$($limit / 1MB) MB/s: $($row.Answer)"
    }
}
finally {
    foreach ($left in Get-MigrationGuest $guest) { Remove-MigrationGuest $left.Name -HostName $left.Host -Confirm:$false }
    [System.IO.File]::Delete($trace)
}
