BeforeAll {
    . $PSScriptRoot/common.ps1
}

Describe 'Start-MigrationReceiver' {
    BeforeEach {
        $name = New-TestName
        $failed, $warned = $null
    }

    AfterEach {
        Get-MigrationReceiver | Where-Object { $_.HostName -like "$name*" } | Stop-MigrationReceiver
        Remove-MigrationGuest "$name*" -Force
    }

    It 'listens on loopback, on a port of its own, by default' {
        $receiver = Start-MigrationReceiver -HostName $name
        $receiver | Should -BeOfType 'PsMigrate.Engine.ReceiverState'
        $receiver.Status | Should -Be 'Listening'
        $receiver.HostName | Should -Be $name
        "$($receiver.Uri)" | Should -Match '^tcp:127\.0\.0\.1:[1-9]\d*$'
        $receiver.Uri.Port | Should -BeGreaterThan 0
        $receiver.ArrivedCount | Should -Be 0
    }

    It 'takes a running guest in, which goes on there' {
        $receiver = Start-MigrationReceiver tcp:127.0.0.1:0 -HostName "$name-to"
        $guest = New-MigrationGuest $name 8MB -Workload Random -DirtyRate 20MB -Content Random -PassThru
        $result = (Start-VmMigration $name "$($receiver.Uri)" -Verify)[-1].Result
        $result.Verified | Should -BeTrue
        $moved = Get-MigrationGuest $name
        $moved.Host | Should -Be "$name-to"
        $moved.State | Should -Be 'Running'
        $moved.Ticks[0] | Should -Not -BeLessThan $guest.Ticks[0]
        # The source may know of the end a moment before the receiver has counted it.
        $null = Wait-Until { (Get-MigrationReceiver $receiver.Id).ArrivedCount -eq 1 }
    }

    It 'listens on <Uri>' -ForEach @{ Uri = 'tcp:localhost:0' }, @{ Uri = 'tcp:[::1]:0' }, @{ Uri = 'unix' } {
        if ($Uri -eq 'tcp:[::1]:0' -and -not [System.Net.Sockets.Socket]::OSSupportsIPv6) { Set-ItResult -Skipped -Because 'this machine has no IPv6' }
        if ($Uri -eq 'unix') { $Uri = "unix:$([System.IO.Path]::GetTempPath())$name.sock" }
        $receiver = Start-MigrationReceiver $Uri -HostName "$name-to"
        New-MigrationGuest $name 8MB -Content Text
        (Start-VmMigration $name $receiver -Verify)[-1].Result.Verified | Should -BeTrue
        (Get-MigrationGuest $name).Host | Should -Be "$name-to"
    }

    It 'leaves what arrives suspended with -Suspended' {
        $receiver = Start-MigrationReceiver -HostName "$name-to" -Suspended
        New-MigrationGuest $name 8MB -DirtyRate 20MB
        $null = Start-VmMigration $name $receiver
        (Get-MigrationGuest $name).State | Should -Be 'Suspended'
    }

    It 'refuses a guest <Why>' -ForEach @(
        @{ Why = 'whose name is not allowed'; Arguments = @{ AllowedName = 'web*', 'db*' }; Id = 'DestinationRefused'; Category = 'PermissionDenied' }
        @{ Why = 'that is too big'; Arguments = @{ MaxMemory = 4MB }; Id = 'MemoryExceeded'; Category = 'LimitsExceeded' }
        @{ Why = 'whose name is taken'; Arguments = @{}; IsTaken = $true; Id = 'DuplicateGuestName'; Category = 'ResourceExists' }
    ) {
        if ($IsTaken) { New-MigrationGuest $name 8MB -HostName "$name-to" -Suspended }
        $receiver = Start-MigrationReceiver -HostName "$name-to" @Arguments
        $guest = New-MigrationGuest $name 8MB -DirtyRate 5MB -PassThru
        $last = $guest | Start-VmMigration -Destination $receiver -ErrorVariable failed -ErrorAction SilentlyContinue
        $last.State | Should -Be 'Failed'
        $failed[0].FullyQualifiedErrorId | Should -Be "$Id,PsMigrate.Commands.StartVmMigrationCommand"
        $failed[0].CategoryInfo.Category | Should -Be $Category
        $failed[0].Exception.Side | Should -Be 'Destination'
        $failed[0].Exception.Location | Should -Be 'Source'
        $guest.State | Should -Be 'Running'
        # The next one is taken.
        $now = Wait-Until { Get-MigrationReceiver $receiver.Id | Where-Object { $_.FailedCount -eq 1 } }
        $now.Status | Should -Be 'Listening'
    }

    It 'takes a guest whose name fits -AllowedName' {
        $receiver = Start-MigrationReceiver -HostName "$name-to" -AllowedName 'other*', "$name*" -MaxMemory 8MB
        New-MigrationGuest $name 8MB
        (Start-VmMigration $name $receiver)[-1].State | Should -Be 'Completed'
    }

    It 'takes a guest of ours, which has no channels, with -Channels 3' {
        $receiver = Start-MigrationReceiver -HostName "$name-to" -Channels 3
        New-MigrationGuest $name 8MB
        (Start-VmMigration $name $receiver)[-1].State | Should -Be 'Completed'
    }

    It 'refuses <Count> channels' -ForEach @{ Count = -1 }, @{ Count = 256 } {
        $error0 = { Start-MigrationReceiver -HostName $name -Channels $Count } | Should -Throw -PassThru
        $error0.FullyQualifiedErrorId | Should -BeLike 'ParameterArgumentValidationError,*'
        @(Get-MigrationReceiver | Where-Object { $_.HostName -eq $name }) | Should -HaveCount 0
    }

    It 'acknowledges the switch-over right after the return path with -SwitchoverAck, and else not' -ForEach @{ On = $true }, @{ On = $false } {
        $receiver = Start-MigrationReceiver -HostName $name -SwitchoverAck:$On
        $socket = [System.Net.Sockets.TcpClient]::new('127.0.0.1', $receiver.Uri.Port)
        try {
            # QEVM 3, CONFIGURATION none, OPEN_RETURN_PATH, PING 1.
            $bytes = [Convert]::FromHexString('5145564D0000000307000000046E6F6E65' + '0800010000' + '080002000400000001')
            $socket.GetStream().Write($bytes, 0, $bytes.Length)
            $socket.ReceiveTimeout = 60000
            $answer = [byte[]]::new(4)
            $socket.GetStream().ReadExactly($answer, 0, 4)
            [Convert]::ToHexString($answer) | Should -Be ($On ? '00070000' : '00020004')
        }
        finally {
            $socket.Dispose()
        }
    }

    It 'takes a time for recovery, and refuses one that is negative' {
        (Start-MigrationReceiver -HostName $name -RecoverTimeout 10m).Status | Should -Be 'Listening'
        $error0 = { Start-MigrationReceiver -HostName $name -RecoverTimeout -1 } | Should -Throw -PassThru
        $error0.FullyQualifiedErrorId | Should -BeLike 'InvalidParameter,*'
    }

    It 'fails a source that needs channels and has none' {
        $receiver = Start-MigrationReceiver -HostName $name -Channels 2
        $socket = [System.Net.Sockets.TcpClient]::new('127.0.0.1', $receiver.Uri.Port)
        try {
            # QEVM 3, CONFIGURATION none, START ram with one block of a page, and the end of the section.
            $bytes = [Convert]::FromHexString('5145564D0000000307000000046E6F6E65' + '01000000020372616D0000000000000004' +
                '0000000000001004' + '0372616D0000000000001000' + '0000000000000010' + '7E00000002')
            $socket.GetStream().Write($bytes, 0, $bytes.Length)
            $arrival = $receiver | Wait-MigrationReceiver -Timeout 60 -ErrorVariable failed -ErrorAction SilentlyContinue
            $now = Wait-Until { Get-MigrationReceiver $receiver.Id | Where-Object { $_.FailedCount -eq 1 } }
            $now.ActiveCount | Should -Be 0
            @($arrival | Where-Object { $_.State -eq 'Completed' }) | Should -HaveCount 0
        }
        finally {
            $socket.Dispose()
        }
    }

    It 'does not listen <What>' -ForEach @(
        @{ What = 'outside loopback'; Uri = 'tcp:0.0.0.0:0'; Id = 'InsecureAddress'; Category = 'SecurityError' }
        @{ What = 'on all IPv6 addresses'; Uri = 'tcp:[::]:0'; Id = 'InsecureAddress'; Category = 'SecurityError' }
        @{ What = 'on a file'; Uri = 'file:/somewhere'; Id = 'UnsupportedUri'; Category = 'NotImplemented' }
        @{ What = 'on a host of this process'; Uri = 'local:somewhere'; Id = 'UnsupportedUri'; Category = 'NotImplemented' }
        @{ What = 'on what is no address'; Uri = 'somewhere'; Id = 'InvalidUri'; Category = 'InvalidArgument' }
        @{ What = 'on a port that is none'; Uri = 'tcp:127.0.0.1:port'; Id = 'InvalidUri'; Category = 'InvalidArgument' }
        @{ What = 'in a folder that is not there'; Uri = 'unix:/no/such/folder/socket'; Id = 'ListenFailed'; Category = 'OpenError' }
    ) {
        $error0 = { Start-MigrationReceiver $Uri -HostName $name } | Should -Throw -PassThru
        $error0.FullyQualifiedErrorId | Should -Be "$Id,PsMigrate.Commands.StartMigrationReceiverCommand"
        $error0.CategoryInfo.Category | Should -Be $Category
        @(Get-MigrationReceiver | Where-Object { $_.HostName -eq $name }) | Should -HaveCount 0
    }

    It 'refuses <What>' -ForEach @(
        @{ What = 'a negative amount of memory'; Arguments = @{ MaxMemory = -1 }; Id = 'InvalidParameter' }
        @{ What = 'a wildcard as its host'; Arguments = @{ HostName = 'a*' }; Id = 'InvalidGuestName' }
    ) {
        $before = @(Get-MigrationReceiver).Count
        $error0 = { Start-MigrationReceiver @Arguments } | Should -Throw -PassThru
        $error0.FullyQualifiedErrorId | Should -BeLike "$Id,*"
        $error0.CategoryInfo.Category | Should -Be 'InvalidArgument'
        @(Get-MigrationReceiver) | Should -HaveCount $before
    }

    It 'does not listen where something else does' {
        $first = Start-MigrationReceiver -HostName $name
        $error0 = { Start-MigrationReceiver "$($first.Uri)" -HostName $name } | Should -Throw -PassThru
        $error0.FullyQualifiedErrorId | Should -BeLike 'AddressInUse,*'
        $error0.CategoryInfo.Category | Should -Be 'ResourceBusy'
    }

    It 'listens outside loopback with -AllowInsecure, and a warning' {
        $receiver = Start-MigrationReceiver tcp:0.0.0.0:0 -AllowInsecure -HostName $name -WarningVariable warned -WarningAction SilentlyContinue
        $receiver.Status | Should -Be 'Listening'
        "$warned" | Should -BeLike '*neither encrypted nor authenticated*'
    }

    It 'changes nothing with -WhatIf' {
        Start-MigrationReceiver -HostName $name -WhatIf | Should -BeNullOrEmpty
        @(Get-MigrationReceiver | Where-Object { $_.HostName -eq $name }) | Should -HaveCount 0
    }

    It 'completes addresses' {
        $line = 'Start-MigrationReceiver tcp:127'
        [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches.CompletionText | Should -Contain 'tcp:127.0.0.1:0'
    }
}
