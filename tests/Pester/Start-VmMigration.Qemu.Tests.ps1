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
            Invoke-TestMonitor $target 'info status' | Should -BeLike '*VM status: running*'
            Wait-TestStatus $source '*postmigrate*'
            (Get-MigrationGuest $name).State | Should -Be 'PostMigrate'
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

        It 'refuses -PeerVersion <_>' -ForEach '10.0', 'PsMigrate' {
            Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $target.Uri -PeerVersion $_ -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'UnsupportedByGuest,*'
            (Get-MigrationGuest $name).State | Should -Be 'Running'
        }

        It 'a source that is its own destination is refused' {
            Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $source.Uri -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidParameter,*'
            (Get-MigrationGuest $name).State | Should -Be 'Running'
        }
    }

    Context 'with a guest that writes faster than the link carries' -Skip:(-not $qemu) {
        BeforeEach {
            $pair = Start-TestPair
            $name = $pair.Name
        }

        AfterEach { Stop-TestPair $pair }

        It 'Ctrl+C cancels it, and the guest goes on at the source' {
            $output = @(Invoke-WithStop {
                    param($name, $target)
                    Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $target -MaxBandwidth 20MB -MaxDowntime 1ms
                } -ArgumentList $name, $pair.Target.Uri -Until { $args[0].Output.Count -ge 2 })
            # The first pass, or the last of those that were over by the time that QEMU was asked.
            $output[0].Iteration | Should -BeGreaterOrEqual 1
            $output[1].Iteration | Should -BeGreaterThan $output[0].Iteration
            (Get-MigrationState -Name $name).State | Should -Be 'Cancelled'
            (Get-MigrationState -Name $name).Location | Should -Be 'Source'
            Invoke-TestMonitor $pair.Source 'info status' | Should -BeLike '*VM status: running*'
        }

        It 'a break ends it, and the guest goes on at the source' {
            $seen = 0
            foreach ($once in 1) {
                Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $pair.Target.Uri -MaxBandwidth 20MB -MaxDowntime 1ms |
                    ForEach-Object { $seen++; if ($_.Iteration -ge 2) { break } }
            }
            $seen | Should -BeGreaterThan 0
            (Get-MigrationState -Name $name).State | Should -Be 'Cancelled'
            Invoke-TestMonitor $pair.Source 'info status' | Should -BeLike '*VM status: running*'
        }

        It 'takes the guest from the pipeline, and the destination as a guest' {
            $there = Connect-MigrationGuest $pair.Target.Uri -Name "$name-there"
            $there.State | Should -Be 'InMigrate'
            $last = @(Get-MigrationGuest $name | Start-VmMigration -Destination tcp:127.0.0.1:0 -DestinationQmp $there -MaxDowntime 2s)[-1]
            $last.Result.State | Should -Be 'Completed'
            $null = Wait-Until { $there.State -eq 'Running' }
        }

        It 'a job gives the passes' {
            $job = Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $pair.Target.Uri -MaxBandwidth 20MB -MaxDowntime 1ms -AsJob
            $null = Wait-Until { (Get-MigrationState -Name $name).Current.Iteration -gt 1 }
            Set-Migration -Name $name -MaxBandwidth 0 -MaxDowntime 2s
            $passes = @($job | Receive-Job -Wait)
            $job.State | Should -Be 'Completed'
            $passes.Count | Should -BeGreaterThan 1
            $passes[0].NormalPages | Should -BeGreaterThan 0
            $passes[-1].Result.Location | Should -Be 'Destination'
        }
    }
}
