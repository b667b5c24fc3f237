# A migration that is recorded, and how it would have gone otherwise.
#   psmigrate -File examples/compare-policies.ps1

$ErrorActionPreference = 'Stop'

# Writes to all of its memory, three times as fast as the link may carry it: without help it never ends.
$null = New-MigrationGuest db01 128MB -ProcessorCount 2 -Workload Random -DirtyRate 180MB -Content Random
$trace = [System.IO.Path]::Combine([System.IO.Path]::GetTempPath(), 'db01.trace.json')
try {
    'Six seconds of trying …'
    $null = Start-VmMigration db01 local:rack2 -MaxBandwidth 60MB -MaxDowntime 200ms -Means Qemu -Timeout 6s -RecordTrace $trace -ErrorAction SilentlyContinue
    'What would have helped?'
    $rows = Compare-MigrationPolicy $trace -Policy Qemu, AutoConverge, DirtyLimit, DowntimeRamp -Postcopy -Timeout 60s
    $rows
    foreach ($row in $rows) { "$row" }
    'And with more bandwidth?'
    foreach ($limit in 80MB, 120MB, 240MB) {
        $row = @(Compare-MigrationPolicy $trace -Policy AutoConverge -MaxBandwidth $limit -Timeout 60s)[-1]
        "$($limit / 1MB) MB/s: $($row.Answer)"
    }
}
finally {
    foreach ($guest in Get-MigrationGuest db01) { Remove-MigrationGuest $guest.Name -HostName $guest.Host -Confirm:$false }
    [System.IO.File]::Delete($trace)
}
