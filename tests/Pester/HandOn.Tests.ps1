# One job over several cmdlets: a guest of a QEMU is captured, saved, restored, and goes on in another QEMU.

BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'A captured guest' -Skip:(-not $qemu) {
    BeforeAll {
        $pair = Start-TestPair
        $here = "$($pair.Name)-here"
        $receiver = Start-MigrationReceiver tcp:127.0.0.1:0 -HostName $here
        $sent = @(Start-VmMigration $pair.Name $receiver -MaxDowntime 2s)
        $arrival = $receiver | Wait-MigrationReceiver -Timeout 60s
        $captured = $arrival.Guest
        $path = "$TestDrive/captured.vmstate"
    }

    AfterAll {
        $receiver | Stop-MigrationReceiver
        Remove-MigrationGuest * -HostName $here -Force
        Stop-TestPair $pair
    }

    It 'came from a QEMU that was told to send it' {
        $sent[-1].Result.State | Should -Be 'Completed'
        $arrival.State | Should -Be 'Completed'
        $captured.Kind | Should -Be 'Captured'
        $captured.MachineType | Should -BeLike 'pc-i440fx-*'
        $captured.RunState | Should -Be 'running'
        (Get-MigrationGuest $pair.Name).State | Should -Be 'PostMigrate'
    }

    It 'is saved as it is, and can be read' {
        $saved = Save-MigrationGuest $captured.Name $path
        $saved.MachineType | Should -Be $captured.MachineType
        $stream = Read-MigrationStream $path
        $stream.Machine | Should -Be $captured.MachineType
        $stream.Devices.Count | Should -Be $captured.Devices.Count
        # The vCPU stood in the boot sector.
        (Read-MigrationStream $path -Device cpu)['env.eip'].Value | Should -BeGreaterThan 0x7bff
        (Read-MigrationStream $path -Device cpu)['env.eip'].Value | Should -BeLessThan 0x7e00
    }

    It 'is restored as it was' {
        $restored = Restore-MigrationGuest $path -Name "$($pair.Name)-restored" -HostName $here
        $restored.Kind | Should -Be 'Captured'
        $restored.RunState | Should -Be 'running'
        $restored.Digest() | Should -Be $captured.Digest()
    }

    It 'goes on in another QEMU, and is gone here' {
        $target = Start-TestQemu -Walks -ArgumentList '-M', $captured.MachineType, '-m', '64M', '-incoming', "unix:$TestDrive/incoming"
        try {
            # It listens by the time that it answers over QMP.
            $there = Connect-MigrationGuest $target.Uri -Name "$($pair.Name)-there"
            $last = @(Start-VmMigration "$($pair.Name)-restored" "unix:$TestDrive/incoming" -DestinationQmp $there)[-1]
            $last.Result.State | Should -Be 'Completed'
            $last.Result.Location | Should -Be 'Destination'
            $there.State | Should -Be 'Running'
            @(Get-MigrationGuest "$($pair.Name)-restored*").Count | Should -Be 0
            Invoke-TestMonitor $target 'info status' | Should -BeLike '*VM status: running*'
            # It goes on with its walk, and does not boot again: that would begin with a B.
            $null = Wait-Until { [System.IO.File]::ReadAllText("$($target.Folder)/progress").Contains('.') } -What 'the guest to go on'
            [System.IO.File]::ReadAllText("$($target.Folder)/progress") | Should -Not -BeLike '*B*'
        }
        finally { Stop-TestQemu $target }
    }
}
