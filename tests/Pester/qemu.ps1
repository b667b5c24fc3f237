# A real QEMU for tests that need one. Beside common.ps1: BeforeAll { . $PSScriptRoot/common.ps1; . $PSScriptRoot/qemu.ps1 },
# and in BeforeDiscovery, for -Skip:(-not $qemu): { . $PSScriptRoot/qemu.ps1; $qemu = Find-TestQemu }.

function Find-TestQemu {
    # The first of PSMIGRATE_QEMU, or the qemu-system-x86_64 of the search path; nothing where there is none.
    $separator = [System.IO.Path]::PathSeparator
    $candidates = if ($env:PSMIGRATE_QEMU) { $env:PSMIGRATE_QEMU.Split($separator) }
    else { "$env:PATH".Split($separator) | ForEach-Object { [System.IO.Path]::Combine($_, 'qemu-system-x86_64') } }
    foreach ($candidate in $candidates) {
        if ([System.IO.File]::Exists($candidate)) { return $candidate }
    }
}

function Start-TestQemu {
    # Starts a QEMU and returns when its QMP socket, Uri, listens. Stop-TestQemu ends it.
    param([string[]] $ArgumentList = @('-M', 'none', '-m', '16M'))
    $folder = [System.IO.Directory]::CreateTempSubdirectory('psmigrate-qemu-').FullName
    $start = [System.Diagnostics.ProcessStartInfo]::new((Find-TestQemu))
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

function Stop-TestQemu {
    param($Qemu)
    if (-not $Qemu) { return }
    $Qemu.Process.Kill()
    $Qemu.Process.WaitForExit()
    $Qemu.Process.Dispose()
    [System.IO.Directory]::Delete($Qemu.Folder, $true)
}
