<#
.SYNOPSIS
    Writes a boot image for a QEMU whose guest shall do something: it writes to its memory for ever.
.DESCRIPTION
    The program is the boot sector of tests/WalkingGuest, with its parameters patched in: it writes to the pages of its working set in
    turn. It needs -M pc or -M q35, and the image on a virtio disk; start-qemu.ps1 has the command line. Both ends of a migration need the
    same image. Gives the path.

    dotnet run --project src/Shell -- -File examples/new-boot-image.ps1 walker.img
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory)]
    [string] $Path,
    # How much memory it writes to, from 1 MiB on. The guest needs 2 MiB more than that.
    [long] $WorkingSet = 32MB,
    # Turns of an empty loop after each page. With TCG on an idle core 0 gives about a million pages/s, 1000 some 300,000, 10000 some 50,000.
    [uint32] $Delay = 5000,
    # What the pages are filled with does not compress; with 0 they are zeros but for their first four bytes.
    [uint32] $Seed = 7
)

$ErrorActionPreference = 'Stop'
if ($WorkingSet -lt 4096) { throw "A working set of $WorkingSet bytes has no page: give 4096 or more." }
$Path = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Path)

# SeaBIOS does not read a virtio disk of a single sector.
$image = [byte[]]::new(1MB)
[System.IO.File]::ReadAllBytes("$PSScriptRoot/../tests/WalkingGuest/walker.bin").CopyTo($image, 0)
$at = 0x1e0
foreach ($value in 1MB, ($WorkingSet / 4096), $Delay, $Seed) {
    [System.BitConverter]::GetBytes([uint32]$value).CopyTo($image, $at)
    $at += 4
}
[System.IO.File]::WriteAllBytes($Path, $image)
$Path
