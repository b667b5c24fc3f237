<#
.SYNOPSIS
    Starts a QEMU whose guest writes to its memory, with a QMP socket for PsMigrate.
.DESCRIPTION
    Gives an object with the process and the address of its QMP socket, Uri. The QEMU is the first one in PSMIGRATE_QEMU, or else
    qemu-system-x86_64. It ends with $_.Process.Kill(), and leaves a socket and a boot image behind in -Folder, called like the guest.
    In a psmigrate prompt:

    $a = ./examples/start-qemu.ps1 web01
    Connect-MigrationGuest $a.Uri
#>
[CmdletBinding()]
param(
    # The name of the guest and of its files.
    [Parameter(Mandatory)]
    [string] $Name,
    # Where its socket and its boot image go.
    [string] $Folder = [System.IO.Path]::GetTempPath(),
    [string] $Qemu,
    [string] $Machine = 'pc',
    [int] $Megabytes = 64,
    # Where it waits for a migration: defer, tcp:..., unix:... Without it the guest starts.
    [string] $Incoming
)

$ErrorActionPreference = 'Stop'
if (-not $Qemu) { $Qemu = if ($env:PSMIGRATE_QEMU) { $env:PSMIGRATE_QEMU.Split([System.IO.Path]::PathSeparator)[0] } else { 'qemu-system-x86_64' } }
$file = [System.IO.Path]::Combine($ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Folder), $Name)
$image = & $PSScriptRoot/new-boot-image.ps1 "$file.img"

$arguments = '-M', $Machine, '-m', "${Megabytes}M", '-accel', 'tcg', '-nodefaults', '-display', 'none', '-name', $Name,
'-drive', "if=none,id=boot,format=raw,read-only=on,file=$image", '-device', 'virtio-blk-pci,drive=boot',
'-qmp', "unix:$file.qmp,server=on,wait=off"
if ($Incoming) { $arguments += '-incoming', $Incoming }
$start = [System.Diagnostics.ProcessStartInfo]::new($Qemu)
foreach ($argument in $arguments) { $start.ArgumentList.Add($argument) }
$process = [System.Diagnostics.Process]::Start($start)

# QEMU makes its socket soon after its start, or ends.
$clock = [System.Diagnostics.Stopwatch]::StartNew()
while (-not [System.IO.File]::Exists("$file.qmp") -and -not $process.HasExited -and $clock.Elapsed.TotalSeconds -lt 30) {
    [System.Threading.Thread]::Sleep(20)
}
if ($process.HasExited) { throw "QEMU ended with exit code $($process.ExitCode)." }
if (-not [System.IO.File]::Exists("$file.qmp")) {
    $process.Kill()
    throw "QEMU makes no socket at $file.qmp."
}
[pscustomobject]@{ Name = $Name; Process = $process; Uri = "unix:$file.qmp" }
