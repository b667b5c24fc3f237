# A real QEMU for tests that need one. Beside common.ps1: BeforeAll { . $PSScriptRoot/common.ps1; . $PSScriptRoot/qemu.ps1 },
# and in BeforeDiscovery, for -Skip:(-not $qemu): { . $PSScriptRoot/qemu.ps1; $qemu = Find-TestQemu }.

function Find-TestQemu {
    # The first of PSMIGRATE_QEMU, or with -All each of them, or the qemu-system-x86_64 of the search path; nothing where there is none.
    param([switch] $All)
    $separator = [System.IO.Path]::PathSeparator
    $candidates = if ($env:PSMIGRATE_QEMU) { $env:PSMIGRATE_QEMU.Split($separator) }
    else { "$env:PATH".Split($separator) | ForEach-Object { [System.IO.Path]::Combine($_, 'qemu-system-x86_64') } }
    foreach ($candidate in $candidates) {
        if (-not [System.IO.File]::Exists($candidate)) { continue }
        $candidate
        if (-not ($All -and $env:PSMIGRATE_QEMU)) { return }
    }
}

function Start-TestQemu {
    # Starts a QEMU and returns when its QMP socket, Uri, listens. Stop-TestQemu ends it.
    # -Walks: its guest writes to 32 MB over and over. Both ends of a migration need it, and more than 34 MB. A longer -Delay writes less.
    param([string[]] $ArgumentList = @('-M', 'none', '-m', '16M'), [switch] $Walks, [int] $Delay = 5000, [string] $Binary = (Find-TestQemu))
    $folder = [System.IO.Directory]::CreateTempSubdirectory('psmigrate-qemu-').FullName
    if ($Walks) {
        $ArgumentList += '-drive', "if=none,id=boot,format=raw,read-only=on,file=$(& $PSScriptRoot/../../examples/new-boot-image.ps1 "$folder/boot" -Delay $Delay)",
        '-device', 'virtio-blk-pci,drive=boot', '-debugcon', "file:$folder/progress"
    }
    $start = [System.Diagnostics.ProcessStartInfo]::new($Binary)
    $sockets = @('-qmp', "unix:$folder/qmp,server=on,wait=off", '-monitor', "unix:$folder/monitor,server=on,wait=off")
    foreach ($argument in @('-nodefaults', '-display', 'none', '-accel', 'tcg') + $sockets + $ArgumentList) {
        $start.ArgumentList.Add($argument)
    }
    $process = [System.Diagnostics.Process]::Start($start)
    # The sockets are made in turn: with the second one, the first listens.
    $null = Wait-Until { $process.HasExited -or [System.IO.File]::Exists("$folder/monitor") } -What 'the sockets of QEMU'
    if ($process.HasExited) { throw "QEMU ended with $($process.ExitCode)." }
    [pscustomobject]@{ Process = $process; Folder = $folder; Uri = "unix:$folder/qmp" }
}

function Invoke-TestMonitor {
    # What QEMU's human monitor says to a line, such as 'info status': QMP is for the module.
    param($Qemu, [string] $Line)
    $socket = [System.Net.Sockets.Socket]::new('Unix', 'Stream', 'Unspecified')
    try {
        $socket.ReceiveTimeout = 30000
        $socket.Connect([System.Net.Sockets.UnixDomainSocketEndPoint]::new("$($Qemu.Folder)/monitor"))
        $buffer = [byte[]]::new(65536)
        foreach ($send in '', "$Line`n") {
            $null = $socket.Send([System.Text.Encoding]::ASCII.GetBytes($send))
            $answer = ''
            while (-not $answer.EndsWith('(qemu) ')) {
                $count = $socket.Receive($buffer)
                if ($count -eq 0) { throw "QEMU closed its monitor at '$Line'." }
                $answer += [System.Text.Encoding]::ASCII.GetString($buffer, 0, $count)
            }
        }
        $answer
    }
    finally { $socket.Dispose() }
}

function Start-TestPair {
    # Two QEMUs: Source with a guest that writes faster than 20 MB/s, connected as Name; Target waits for it. Stop-TestPair ends both.
    # With -Slow it writes 2 MB/s, so that it needs its memory in a postcopy no faster than that.
    param([switch] $Slow)
    $delay = if ($Slow) { 1000000 } else { 5000 }
    $pair = [pscustomobject]@{ Name = New-TestName; Source = $null; Target = $null }
    try {
        $pair.Source = Start-TestQemu -Walks -Delay $delay -ArgumentList '-M', 'pc', '-m', '64M'
        $pair.Target = Start-TestQemu -Walks -Delay $delay -ArgumentList '-M', 'pc', '-m', '64M', '-incoming', 'defer'
        $null = Connect-MigrationGuest $pair.Source.Uri -Name $pair.Name
        Wait-TestWalk $pair.Source
    }
    catch {
        Stop-TestPair $pair
        throw
    }
    $pair
}

function Wait-TestStatus {
    # Until its human monitor says so of the machine: a QEMU calls its migration completed a moment before its run state follows.
    param($Qemu, [string] $Like)
    $null = Wait-Until { (Invoke-TestMonitor $Qemu 'info status') -like $Like } -What "the status of QEMU to be like '$Like'"
}

function Reset-TestTarget {
    # A QEMU takes in one migration, also one that is cancelled: another Target.
    param($Pair)
    Stop-TestQemu $Pair.Target
    $Pair.Target = $null
    $Pair.Target = Start-TestQemu -Walks -ArgumentList '-M', 'pc', '-m', '64M', '-incoming', 'defer'
}

function Wait-TestWalk {
    # Until the guest of a QEMU that was started with -Walks has filled its working set and writes.
    param($Qemu)
    $progress = "$($Qemu.Folder)/progress"
    $null = Wait-Until { [System.IO.File]::Exists($progress) -and [System.IO.File]::ReadAllText($progress).Contains('W') } -What 'the guest to walk'
}

function Stop-TestPair {
    param($Pair)
    if (-not $Pair) { return }
    # First the QEMUs: a job can't cancel a postcopy.
    Stop-TestQemu $Pair.Source
    Stop-TestQemu $Pair.Target
    Get-Job | Where-Object { $_ -is [PsMigrate.Jobs.MigrationJob] } | Remove-Job -Force
    Get-MigrationGuest "$($Pair.Name)*" -Kind Qemu | Disconnect-MigrationGuest
}

function Test-Postcopy {
    # QEMU needs userfaultfd, also for faults of the kernel: for root, or with this setting.
    $setting = '/proc/sys/vm/unprivileged_userfaultfd'
    [Environment]::IsPrivilegedProcess -or ([System.IO.File]::Exists($setting) -and [System.IO.File]::ReadAllText($setting).Trim() -eq '1')
}

function Stop-TestQemu {
    param($Qemu)
    if (-not $Qemu) { return }
    $Qemu.Process.Kill()
    $Qemu.Process.WaitForExit()
    $Qemu.Process.Dispose()
    [System.IO.Directory]::Delete($Qemu.Folder, $true)
}
