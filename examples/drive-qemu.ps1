<#
.SYNOPSIS
    A guest of one QEMU migrates to another QEMU, driven over QMP.
.DESCRIPTION
    Starts two QEMUs of its own, the first with a guest that writes to 32 MB over and over. Measures how fast it does, migrates it with both
    ends driven, shows the passes, and lifts the limit when they do not get better. Both QEMUs are ended, and nothing is left behind.

    dotnet run --project src/Shell -- -File examples/drive-qemu.ps1
    dotnet run --project src/Shell -- -File examples/drive-qemu.ps1 -Qemu /usr/bin/qemu-system-x86_64 -Postcopy
#>
[CmdletBinding()]
param(
    # The QEMU of both ends. The first one in PSMIGRATE_QEMU by default, or else qemu-system-x86_64.
    [string] $Qemu,
    [string] $MaxBandwidth = '20MB/s',
    # Go over to postcopy when the passes do not get better, instead of lifting the limit. QEMU needs userfaultfd for it: be root.
    [switch] $Postcopy
)

$ErrorActionPreference = 'Stop'
if (-not (Get-Module PsMigrate)) { Import-Module "$PSScriptRoot/../output/Debug/PsMigrate/PsMigrate.psd1" }
$name = "drive-$([guid]::NewGuid().ToString('N').Substring(0, 6))"
$folder = [System.IO.Directory]::CreateTempSubdirectory('psmigrate-').FullName

try {
    $a = & $PSScriptRoot/start-qemu.ps1 $name -Folder $folder -Qemu $Qemu
    $b = & $PSScriptRoot/start-qemu.ps1 "$name-b" -Folder $folder -Qemu $Qemu -Incoming defer
    $guest = Connect-MigrationGuest $a.Uri
    "Guest $($guest.Name): QEMU $($guest.QemuVersion), machine $($guest.MachineType), $($guest.MemorySize / 1MB) MB, $($guest.State)."
    # The BIOS takes a moment, and so does filling 32 MB.
    do { $rate = Measure-GuestDirtyRate $name -Duration 1s } until ($rate.DirtyRate -gt 0)
    'It dirties {0:0} MB/s, and the link may carry {1}.' -f ($rate.DirtyRate / 1MB), $MaxBandwidth
    ''

    $last, $isLifted = $null, $false
    Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $b.Uri -MaxBandwidth $MaxBandwidth -MaxDowntime 50ms -Postcopy:$Postcopy |
        ForEach-Object {
            $last = $_
            $_
            # Passes that are over by the time that QEMU is asked again are one record.
            if ($_.Iteration -ge 4 -and -not $_.IsFinal -and -not $isLifted) {
                $isLifted = $true
                if ($Postcopy) { $_ | Switch-Migration } else { $_ | Set-Migration -MaxBandwidth 0 -MaxDowntime 500ms }
            }
        }

    $there = Connect-MigrationGuest $b.Uri -HostName rack2
    ''
    "$($last.Result.State): the guest is $($there.State) at the destination, and $($guest.State) at the source."
    'It stood still for {0:0.0} ms. States of the source: {1}.' -f $last.Downtime.TotalMilliseconds, ((Get-MigrationState $last.Id).QemuStates -join ' ')
}
finally {
    Get-MigrationGuest "$name*" | Disconnect-MigrationGuest
    foreach ($one in $a, $b) {
        if (-not $one) { continue }
        $one.Process.Kill()
        $one.Process.WaitForExit()
    }
    [System.IO.Directory]::Delete($folder, $true)
}
