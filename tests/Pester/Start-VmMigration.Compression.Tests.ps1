BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'Start-VmMigration -Compression' {
    BeforeEach { $name = New-TestName }
    AfterEach {
        Get-MigrationReceiver | Where-Object HostName -Like "$name*" | Stop-MigrationReceiver
        Get-MigrationGuest "$name*" | Remove-MigrationGuest -Force -Confirm:$false
    }

    It 'sends less, and the same arrives: <Method> at level <Level>' -ForEach @(
        @{ Method = 'Zlib'; Level = 1; Rate = 2 }, @{ Method = 'Zlib'; Level = 9; Rate = 2 }, @{ Method = 'Zstd'; Level = -100; Rate = 1.2 }
        @{ Method = 'Zstd'; Level = -7; Rate = 2 }, @{ Method = 'Zstd'; Level = 1; Rate = 2 }
    ) {
        $receiver = Start-MigrationReceiver -HostName "$name-to"
        # Fewer packets than it takes to judge whether it pays.
        New-MigrationGuest $name 8MB -Content Text -Suspended
        $last = (Start-VmMigration $name $receiver -Channels 2 -Compression $Method -CompressionLevel $Level -Verify)[-1]
        "$($last.Result.State)" | Should -Be 'Completed'
        $last.Result.DestinationDigest | Should -Be $last.Result.SourceDigest
        $last.Compression.Pages | Should -Be 2048
        $last.Compression.CompressionRate | Should -BeGreaterThan $Rate
        $last.TransferredBytes | Should -BeLessThan (8MB / $Rate)
        $last.TransferredBytes | Should -BeGreaterThan $last.Compression.CompressedSize
        $shown = "$($last.Compression)"
        $shown | Should -Match '^2,048 pages, [\d.]+ to 1$'
        Read-View "//View[Name='MigrationState']//ListItem[Label='Compressed']" (Get-MigrationState -Name $name) | Should -Be $shown
        Read-View "//View[Name='MigrationIteration']//ListItem[Label='Compressed']" $last | Should -Be $shown
    }

    It 'leaves it off where nothing is gained, and says why' {
        $receiver = Start-MigrationReceiver -HostName "$name-to"
        New-MigrationGuest $name 64MB -Content Random -Suspended
        $last = (Start-VmMigration $name $receiver -Channels 1 -Compression Zstd -Verify)[-1]
        "$($last.Result.State)" | Should -Be 'Completed'
        $last.Compression.PlainPages | Should -BeGreaterThan 0
        $decision = @((Get-MigrationState -Name $name).Decisions | Where-Object What -EQ 'Compression of channel 0')
        "$($decision[0].From) -> $($decision[0].To)" | Should -Be 'Zstd -> none'
        $decision[0].Reason | Should -BeLike 'Compressed, pages take * % of their size.'
    }

    It 'goes into a QEMU, and comes back the same: <Method>' -Skip:(-not $qemu) -ForEach @{ Method = 'zlib' }, @{ Method = 'zstd' } {
        $target = Start-TestQemu -ArgumentList '-M', 'none', '-m', '64M', '-incoming', 'defer'
        try {
            foreach ($line in 'migrate_set_capability multifd on', 'migrate_set_parameter multifd-channels 2',
                "migrate_set_parameter multifd-compression $Method", "migrate_incoming unix:$($target.Folder)/in") {
                $null = Invoke-TestMonitor $target $line
            }
            $digest = (New-MigrationGuest $name 64MB -Content Mixed -Suspended -PassThru).Digest()
            $last = (Start-VmMigration $name "unix:$($target.Folder)/in" -DestinationQmp $target.Uri -Channels 2 -Compression $Method)[-1]
            "$($last.Result.State), $($last.Result.Location)" | Should -Be 'Completed, RamOnly'
            $receiver = Start-MigrationReceiver -HostName "$name-back"
            $null = Invoke-TestMonitor $target "migrate -d $($receiver.Uri)"
            $arrival = $receiver | Wait-MigrationReceiver -Timeout 60
            (Get-MigrationGuest -HostName "$name-back").Digest() | Should -Be $digest
        }
        finally {
            Get-MigrationGuest -HostName "$name-back" -ErrorAction Ignore | Remove-MigrationGuest -Force -Confirm:$false
            Stop-TestQemu $target
        }
    }

    It 'refuses <Because>' -ForEach @(
        @{ Because = 'level 10 of zlib'; Options = @{ Channels = 1; Compression = 'Zlib'; CompressionLevel = 10 }; Like = '*CompressionLevel must be 0 to 9*' }
        @{ Because = 'level 21 of zstd'; Options = @{ Channels = 1; Compression = 'Zstd'; CompressionLevel = 21 }; Like = '*CompressionLevel must be -100 to 20*' }
        @{ Because = 'level -101 of zstd'; Options = @{ Channels = 1; Compression = 'Zstd'; CompressionLevel = -101 }; Like = '*CompressionLevel must be -100 to 20*' }
        @{ Because = 'compression without channels'; Options = @{ Compression = 'Zstd' }; Like = '*give -Channels too*' }
    ) {
        New-MigrationGuest $name 8MB
        $failed = { Start-VmMigration $name "local:$name-to" @Options } | Should -Throw -PassThru
        $failed.FullyQualifiedErrorId | Should -BeLike 'InvalidParameter,*'
        $failed.Exception.Message | Should -BeLike $Like
        "$((Get-MigrationGuest $name).State)" | Should -Be 'Running'
    }
}
