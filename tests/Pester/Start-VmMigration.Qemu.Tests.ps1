BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'Start-VmMigration of a guest of QEMU' {
    BeforeEach { $failed = $null }

    Context 'with two QEMUs' -Skip:(-not $qemu) {
        BeforeEach {
            $name = New-TestName
            $source = Start-TestQemu -ArgumentList '-M', 'pc', '-m', '128M'
            $target = Start-TestQemu -ArgumentList '-M', 'pc', '-m', '128M', '-incoming', 'defer'
            $null = Connect-MigrationGuest $source.Uri -Name $name
        }

        AfterEach {
            Get-MigrationGuest "$name*" | Disconnect-MigrationGuest
            Get-Job | Where-Object { $_ -is [PsMigrate.Jobs.MigrationJob] } | Remove-Job -Force
            Stop-TestQemu $source
            Stop-TestQemu $target
        }

        It 'the guest goes over pass by pass, and runs there only' {
            $passes = @(Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $target.Uri)
            $passes[-1].IsFinal | Should -BeTrue
            $passes[-1].Result.State | Should -Be 'Completed'
            $passes[-1].Result.Location | Should -Be 'Destination'
            (Get-MigrationGuest $name).State | Should -Be 'PostMigrate'
            Invoke-TestMonitor $target 'info status' | Should -BeLike '*VM status: running*'
            Invoke-TestMonitor $source 'info status' | Should -BeLike '*postmigrate*'
        }

        It 'a job that is stopped leaves it where it was' {
            $job = Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $target.Uri -PauseBeforeSwitchover -AsJob
            $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PreSwitchover' }
            $job | Stop-Job
            (Get-MigrationState -Name $name).State | Should -Be 'Cancelled'
            Invoke-TestMonitor $source 'info status' | Should -BeLike '*VM status: running*'
        }

        It 'an early end of the pipeline cancels it' {
            foreach ($once in 1) {
                # It would wait at the switch-over; the first word of it ends the pipeline.
                Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $target.Uri -PauseBeforeSwitchover -Verbose 4>&1 |
                    ForEach-Object { if ("$_" -like '*begins.') { break } }
            }
            (Get-MigrationState -Name $name).State | Should -Be 'Cancelled'
            Invoke-TestMonitor $source 'info status' | Should -BeLike '*VM status: running*'
        }

        It 'a guest that is on its way is not let go' {
            $job = Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $target.Uri -PauseBeforeSwitchover -AsJob
            $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PreSwitchover' }
            Disconnect-MigrationGuest $name -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'GuestBusy,*'
            $job | Stop-Job
            Disconnect-MigrationGuest $name
            Get-MigrationGuest "$name*" | Should -BeNullOrEmpty
        }

        It 'refuses to keep a copy' {
            Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $target.Uri -KeepSource -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'UnsupportedByGuest,*'
            (Get-MigrationGuest $name).State | Should -Be 'Running'
        }

        It 'a source that is its own destination is refused' {
            Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $source.Uri -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidParameter,*'
            (Get-MigrationGuest $name).State | Should -Be 'Running'
        }
    }
}
