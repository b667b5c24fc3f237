<#
.SYNOPSIS
    A guest of a QEMU is captured, saved, looked into, and handed on to a second QEMU, where it goes on.
.DESCRIPTION
    Starts a QEMU of its own with a guest that writes to 32 MB over and over, and a receiver. The QEMU migrates its guest into the receiver,
    which keeps it: RAM, devices, machine type. Then the first QEMU is ended. The guest is saved to a file, the file is read, and a second
    QEMU gets the guest. Nothing is left behind.

    dotnet run --project src/Shell -- -File examples/capture-qemu.ps1
    dotnet run --project src/Shell -- -File examples/capture-qemu.ps1 -Qemu /usr/bin/qemu-system-x86_64
#>
[CmdletBinding()]
param(
    # Both QEMUs. The first one in PSMIGRATE_QEMU by default, or else qemu-system-x86_64.
    [string] $Qemu
)

$ErrorActionPreference = 'Stop'
if (-not (Get-Module PsMigrate)) { Import-Module "$PSScriptRoot/../output/Debug/PsMigrate/PsMigrate.psd1" }
$name = "capture-$([guid]::NewGuid().ToString('N').Substring(0, 6))"
$folder = [System.IO.Directory]::CreateTempSubdirectory('psmigrate-').FullName

try {
    $a = & $PSScriptRoot/start-qemu.ps1 $name -Folder $folder -Qemu $Qemu
    $null = Connect-MigrationGuest $a.Uri
    # The BIOS takes a moment, and so does filling 32 MB.
    do { $rate = Measure-GuestDirtyRate $name -Duration 1s } until ($rate.DirtyRate -gt 0)
    'The guest dirties {0:0} MB/s. It goes into a receiver:' -f ($rate.DirtyRate / 1MB)

    $receiver = Start-MigrationReceiver tcp:127.0.0.1:0 -HostName "$name-here"
    Start-VmMigration $name $receiver -MaxDowntime 500ms
    $arrival = $receiver | Wait-MigrationReceiver -Timeout 30s
    $captured = $arrival.Guest
    "$($captured.Name): $($captured.Kind), $($captured.MachineType), it was $($captured.RunState), $($captured.Devices.Count) device sections."
    # What it was captured from is not needed any more.
    Disconnect-MigrationGuest $name
    $a.Process.Kill()

    ''
    'Saved, and looked into:'
    $saved = Save-MigrationGuest $captured.Name "$folder/$name.vmstate"
    $stream = Read-MigrationStream $saved.Path
    $cpu = Read-MigrationStream $saved.Path -Device cpu
    '{0:0.0} MB with {1} pages and {2} devices; the vCPU stood at {3:x}.' -f ($stream.Length / 1MB), $stream.NormalPages, $stream.Devices.Count,
    $cpu['env.eip'].Value

    ''
    'On to a second QEMU:'
    $b = & $PSScriptRoot/start-qemu.ps1 "$name-b" -Folder $folder -Qemu $Qemu -Incoming "unix:$folder/incoming"
    $there = Connect-MigrationGuest $b.Uri
    Start-VmMigration $captured.Name "unix:$folder/incoming" -DestinationQmp $there
    "It is $($there.State) there."
    'It dirties {0:0} MB/s again.' -f ((Measure-GuestDirtyRate $there.Name -Duration 1s).DirtyRate / 1MB)
}
finally {
    if ($receiver) { $receiver | Stop-MigrationReceiver }
    Get-MigrationGuest "$name*" | Disconnect-MigrationGuest
    if ($captured) { Remove-MigrationGuest $captured.Name -Force -ErrorAction Ignore }
    foreach ($one in $a, $b) {
        if (-not $one) { continue }
        if (-not $one.Process.HasExited) { $one.Process.Kill() }
        $one.Process.WaitForExit()
    }
    [System.IO.Directory]::Delete($folder, $true)
}
