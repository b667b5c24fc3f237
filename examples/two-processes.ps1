<#
.SYNOPSIS
    A guest migrates from this process to another one, over TCP.
.DESCRIPTION
    Starts receiver.ps1 in a process of its own, reads its address, and migrates a guest there. By hand it is two windows:

    dotnet run --project src/Shell -- -File examples/receiver.ps1
    dotnet run --project src/Shell -- -Command "New-MigrationGuest web01 256MB -DirtyRate 50MB; Start-VmMigration web01 tcp:127.0.0.1:PORT"
#>
[CmdletBinding()]
param([long] $MemorySize = 256MB)

$ErrorActionPreference = 'Stop'
if (-not (Get-Module PsMigrate)) { Import-Module "$PSScriptRoot/../output/Debug/PsMigrate/PsMigrate.psd1" }
$name = "moving-$([guid]::NewGuid().ToString('N').Substring(0, 6))"

# The program that runs this script: pwsh or psmigrate, or dotnet with psmigrate's assembly.
$start = [System.Diagnostics.ProcessStartInfo]::new([Environment]::ProcessPath)
if ([System.IO.Path]::GetFileNameWithoutExtension([Environment]::ProcessPath) -eq 'dotnet') { $start.ArgumentList.Add([Environment]::GetCommandLineArgs()[0]) }
foreach ($argument in '-File', "$PSScriptRoot/receiver.ps1") { $start.ArgumentList.Add($argument) }
$start.RedirectStandardOutput = $true
$receiver = [System.Diagnostics.Process]::Start($start)
try {
    $uri = $receiver.StandardOutput.ReadLine()
    "Process $($receiver.Id) listens on $uri."

    New-MigrationGuest $name $MemorySize -ProcessorCount 2 -Workload Random -DirtyRate 50MB -Content Random
    Start-VmMigration $name $uri -MaxDowntime 100ms -MaxBandwidth 400MB

    "Here there are now $(@(Get-MigrationGuest $name -ErrorAction Ignore).Count) guests of that name. The other process says:"
    $receiver.StandardOutput.ReadToEnd().Trim()
    $receiver.WaitForExit()
}
finally {
    if (-not $receiver.HasExited) { $receiver.Kill() }
    $receiver.Dispose()
    Remove-MigrationGuest $name -Force -ErrorAction Ignore
}
