<#
.SYNOPSIS
    A guest that outruns its link goes over by postcopy; the link is broken on the way and made anew.
.DESCRIPTION
    Makes a guest that writes faster than the link carries, so that precopy would never end, and has it go over after one pass. While its
    memory follows, the link is broken on purpose and made anew: nothing of the guest is lost. Afterwards its memory is compared with
    that of a guest of the same seed that stayed where it was. Nothing is left behind.

    dotnet run --project src/Shell -- -File examples/postcopy.ps1
#>
[CmdletBinding()]
param(
    [long] $MemorySize = 128MB,
    [long] $Writes = 60000
)

$ErrorActionPreference = 'Stop'
if (-not (Get-Module PsMigrate)) { Import-Module "$PSScriptRoot/../output/Debug/PsMigrate/PsMigrate.psd1" }
$name = "moving-$([guid]::NewGuid().ToString('N').Substring(0, 6))"

function Wait-For([scriptblock] $Condition) {
    while (-not (& $Condition)) { [System.Threading.Thread]::Sleep(10) }
}

$receiver = Start-MigrationReceiver tcp:127.0.0.1:0 -HostName rack2
try {
    # Two guests that do the same, and stop after so many writes of each vCPU: one goes, one stays.
    $same = @{ MemorySize = $MemorySize; ProcessorCount = 2; Workload = 'Random'; DirtyRate = 200MB; Content = 'Random'; Seed = 7; Suspended = $true; PassThru = $true }
    $moving = New-MigrationGuest $name @same
    $staying = New-MigrationGuest $name -HostName stays @same
    foreach ($guest in $moving, $staying) {
        $guest.StopAtTick($Writes)
        $guest | Resume-MigrationGuest
    }

    # The foreground would wait while it is paused; a job leaves this session free.
    $job = Start-VmMigration -Guest $moving $receiver -PostcopyAfter 1 -MaxBandwidth 100MB -MaxPostcopyBandwidth 2MB -MaxDowntime 5ms -AsJob
    Wait-For { (Get-MigrationState -Name $name).State -eq 'PostcopyActive' }
    $left = (Get-MigrationState -Name $name).Current.RemainingBytes / 1MB
    'The guest runs on host {0} now. {1:0} MB of its memory are still to follow.' -f (Get-MigrationGuest $name -HostName rack2).Host, $left

    Suspend-Migration $name
    $state = Get-MigrationState -Name $name
    "The link is broken: $($state.State). $($state.Advice)"

    Set-Migration -Name $name -MaxPostcopyBandwidth 0
    Resume-Migration $name
    $result = (Wait-Migration $name).Result
    "$($result.State): the guest stood still for $([PsMigrate.Figures]::Time($result.Downtime)). $([PsMigrate.Figures]::Postcopy($result.Postcopy))."
    ''
    'What was said and decided meanwhile:'
    foreach ($decision in (Get-MigrationState -Name $name).Decisions) { "- $($decision.What): $($decision.From) → $($decision.To)" }
    ''

    $arrived = Get-MigrationGuest $name -HostName rack2
    foreach ($guest in $arrived, $staying) { Wait-For { @($guest.Ticks | Where-Object { $_ -lt $Writes }).Count -eq 0 } }
    "Digest of the guest that moved:  $($arrived.Digest())"
    "Digest of the guest that stayed: $($staying.Digest())"
    if ($arrived.Digest() -ne $staying.Digest()) { throw 'The digests differ.' }
}
finally {
    $job | Remove-Job -Force
    $receiver | Stop-MigrationReceiver -Force
    Remove-MigrationGuest $name -Force -ErrorAction Ignore
}
