<#
.SYNOPSIS
    A running guest sends its memory into a real QEMU.
.DESCRIPTION
    Start a QEMU that waits, then this script:

    qemu-system-x86_64 -M none -m 512M -nodefaults -display none -incoming tcp:127.0.0.1:4444 -qmp unix:qmp.sock,server=on,wait=off
    dotnet run --project src/Shell -- -File examples/into-qemu.ps1 -Destination tcp:127.0.0.1:4444

    A QEMU with machine none has no CPU: it keeps the memory, and the guest stays suspended here (RamOnly). See docs/qemu.md.
#>
[CmdletBinding()]
param(
    # Where the QEMU waits.
    [Parameter(Mandatory)]
    [string] $Destination,
    # The same as -m of the QEMU.
    [long] $MemorySize = 512MB
)

$ErrorActionPreference = 'Stop'
if (-not (Get-Module PsMigrate)) { Import-Module "$PSScriptRoot/../output/Debug/PsMigrate/PsMigrate.psd1" }
$name = "qemu-$([guid]::NewGuid().ToString('N').Substring(0, 6))"

try {
    New-MigrationGuest $name $MemorySize -ProcessorCount 2 -Workload HotSpot -DirtyRate 100MB -Content Mixed
    $last = $null
    Start-VmMigration $name $Destination -MaxDowntime 50ms -MaxBandwidth 400MB | ForEach-Object { $last = $_; $_ }

    $state = $last | Get-MigrationState
    ''
    "The other end is $($state.Peer), the guest is $($state.Location) there and $((Get-MigrationGuest $name).State) here."
    "It was not sent: $($state.Result.LeftOut -join ', ')."
}
finally {
    Remove-MigrationGuest $name -Force -ErrorAction Ignore
}
