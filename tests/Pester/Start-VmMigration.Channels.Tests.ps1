BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
    # Without any, the tests are still there to be skipped.
    $binaries = if ($qemu) { Find-TestQemu -All | ForEach-Object { @{ Binary = $_ } } } else { @{ Binary = 'a QEMU' } }
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'Start-VmMigration -Channels' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
    }

    AfterEach { Get-MigrationGuest "$name*" | Remove-MigrationGuest -Force -Confirm:$false }

    Context 'to a receiver' {
        It 'moves a guest through <Count> channels without a word about the peer' -ForEach @{ Count = 1 }, @{ Count = 4 } {
            $null = New-MigrationGuest $name 64MB -Workload HotSpot -DirtyRate 20MB -Content Mixed -PassThru
            $receiver = Start-MigrationReceiver -HostName "$name-to"
            try {
                $result = (Start-VmMigration $name $receiver -Channels $Count -Verify)[-1].Result
                $result.State | Should -Be 'Completed'
                $result.Verified | Should -BeTrue
                (Get-MigrationGuest $name).Host | Should -Be "$name-to"
            }
            finally { $receiver | Stop-MigrationReceiver }
        }

        It 'and over a local link' {
            $null = New-MigrationGuest $name 32MB -Content Mixed -PassThru
            (Start-VmMigration $name "local:$name-to" -Channels 2 -Verify)[-1].Result.Verified | Should -BeTrue
        }

        It 'takes the peer by name' {
            $null = New-MigrationGuest $name 32MB -Content Mixed -PassThru
            $receiver = Start-MigrationReceiver -HostName "$name-to"
            try { (Start-VmMigration $name $receiver -Channels 2 -PeerVersion psmigrate)[-1].Result.State | Should -Be 'Completed' }
            finally { $receiver | Stop-MigrationReceiver }
        }

        It 'says that it is no QEMU, and the guest stays' {
            $guest = New-MigrationGuest $name 32MB -Workload Random -DirtyRate 1MB -PassThru
            $receiver = Start-MigrationReceiver -HostName "$name-to"
            try { $null = Start-VmMigration $name $receiver -Channels 2 -PeerVersion 10.0 -ErrorVariable failed -ErrorAction SilentlyContinue }
            finally { $receiver | Stop-MigrationReceiver }
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'EndsDisagree*'
            $guest.State | Should -Be 'Running'
        }
    }

    Context 'with bad input' {
        It 'an unknown peer is refused before anything is connected' {
            $guest = New-MigrationGuest $name 16MB -PassThru
            $null = Start-VmMigration $name tcp:127.0.0.1:1 -Channels 2 -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'PeerVersionUnknown*'
            $guest.State | Should -Be 'Running'
        }

        It '-PeerVersion <Text> is refused' -ForEach @{ Text = 'QEMU' }, @{ Text = '7.1' }, @{ Text = '-3' } {
            $null = New-MigrationGuest $name 16MB -PassThru
            $failure = { Start-VmMigration $name tcp:127.0.0.1:1 -Channels 2 -PeerVersion $Text } | Should -Throw -PassThru
            $failure.FullyQualifiedErrorId | Should -BeLike 'InvalidParameter*'
        }

        It 'a file takes no channels' {
            $null = New-MigrationGuest $name 16MB -PassThru
            $null = Start-VmMigration $name "file:/nowhere/$name" -Channels 2 -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidParameter*'
        }
    }

    It 'completes what can be at the other end' {
        $line = 'Start-VmMigration web01 tcp:127.0.0.1:1 -Channels 2 -PeerVersion '
        $found = [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches.CompletionText
        $found | Should -Contain 'PsMigrate'
        $found | Should -Contain '7.2'
        $found | Should -Contain '11.1'
    }

    Context 'into <Binary>' -Skip:(-not $qemu) -ForEach $binaries {
        BeforeEach {
            $qemu = Start-TestQemu -Binary $Binary -ArgumentList '-M', 'none', '-m', '64M', '-incoming', 'defer'
            foreach ($line in 'migrate_set_capability multifd on', 'migrate_set_parameter multifd-channels 2', "migrate_incoming unix:$($qemu.Folder)/in") {
                $null = Invoke-TestMonitor $qemu $line
            }
        }

        AfterEach { Stop-TestQemu $qemu }

        It 'with its release given' {
            $null = New-MigrationGuest $name 64MB -Workload HotSpot -DirtyRate 20MB -Content Mixed -PassThru
            $release = if ((Invoke-TestMonitor $qemu 'info version') -match '(\d+\.\d+)\.\d+') { $Matches[1] }
            $last = (Start-VmMigration $name "unix:$($qemu.Folder)/in" -Channels 2 -PeerVersion $release)[-1]
            $last.State | Should -Be 'Completed'
            $last.Result.Location | Should -Be 'RamOnly'
            Invoke-TestMonitor $qemu 'info migrate' | Should -Match 'completed'
        }

        It 'asked over QMP' {
            $null = New-MigrationGuest $name 64MB -Content Mixed -PassThru
            (Start-VmMigration $name "unix:$($qemu.Folder)/in" -Channels 2 -DestinationQmp $qemu.Uri)[-1].State | Should -Be 'Completed'
            Invoke-TestMonitor $qemu 'info migrate' | Should -Match 'completed'
        }

        It 'one with another number of channels is left alone' {
            $guest = New-MigrationGuest $name 64MB -Content Mixed -PassThru
            $null = Start-VmMigration $name "unix:$($qemu.Folder)/in" -Channels 3 -DestinationQmp $qemu.Uri -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'EndsDisagree*'
            Invoke-TestMonitor $qemu 'info status' | Should -Match 'inmigrate'
            $guest.State | Should -Be 'Running'
        }
    }
}
