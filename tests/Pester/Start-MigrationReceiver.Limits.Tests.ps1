BeforeAll {
    . $PSScriptRoot/common.ps1
}

Describe 'Start-MigrationReceiver, its limits' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
    }

    AfterEach {
        Get-Job | Where-Object { $_ -is [PsMigrate.Jobs.MigrationJob] -and $_.Name -like "*$name*" } | Remove-Job -Force
        Get-MigrationReceiver | Where-Object { $_.HostName -like "$name*" } | Stop-MigrationReceiver
        Remove-MigrationGuest "$name*" -Force
    }

    It 'has them by default' {
        $receiver = Start-MigrationReceiver -HostName $name
        $receiver.MaxMigrations | Should -Be 64
        $receiver.MaxConnections | Should -Be 1024
        $receiver.FirstWordTimeout | Should -Be ([timespan]'0:0:10')
        $receiver.IdleTimeout | Should -Be ([timespan]'0:1:0')
        $receiver.RunTimeout | Should -Be ([timespan]'0:1:0')
        $receiver.RecoverTimeout | Should -Be ([timespan]'1:0:0')
        $receiver.AcceptTimeout | Should -BeNullOrEmpty
        $receiver.MaxMemory | Should -BeGreaterThan 1MB
        $receiver.AllowedName | Should -Be '*'
        $receiver.UsesTls | Should -BeFalse
        $receiver.WaitingCount | Should -Be 0
    }

    It 'takes them, and Get-MigrationReceiver shows them' {
        $null = Start-MigrationReceiver -HostName $name -MaxMigrations 3 -MaxConnections 50 -FirstWordTimeout 5 -IdleTimeout 2m -RunTimeout 00:00:30 `
            -RecoverTimeout 0 -AcceptScript { $true } -AcceptTimeout 1500ms -MaxMemory 1GB -AllowedName 'web*', 'db*'
        $receiver = Get-MigrationReceiver | Where-Object { $_.HostName -eq $name }
        $receiver.MaxMigrations | Should -Be 3
        $receiver.MaxConnections | Should -Be 50
        $receiver.FirstWordTimeout | Should -Be ([timespan]'0:0:5')
        $receiver.IdleTimeout | Should -Be ([timespan]'0:2:0')
        $receiver.RunTimeout | Should -Be ([timespan]'0:0:30')
        $receiver.RecoverTimeout | Should -Be ([timespan]::Zero)
        $receiver.AcceptTimeout.TotalSeconds | Should -Be 1.5
        $list = @(Read-View "//View[ViewSelectedBy/TypeName='PsMigrate.Engine.ReceiverState']/ListControl//ListItem[not(Label='Coming')]" $receiver)
        foreach ($text in '3', '50', '5 s', '2 min 0 s', '30 s', '1.5 s', '1 GB', 'web*, db*') { $list | Should -Contain $text }
    }

    It 'refuses <Parameter> <Value>' -ForEach @(
        @{ Parameter = 'MaxMigrations'; Value = 0; Id = 'ParameterArgumentValidationError' }
        @{ Parameter = 'MaxMigrations'; Value = -1; Id = 'ParameterArgumentValidationError' }
        @{ Parameter = 'MaxConnections'; Value = 0; Id = 'ParameterArgumentValidationError' }
        @{ Parameter = 'FirstWordTimeout'; Value = 0; Id = 'InvalidParameter' }
        @{ Parameter = 'FirstWordTimeout'; Value = '-5s'; Id = 'InvalidParameter' }
        @{ Parameter = 'IdleTimeout'; Value = 0; Id = 'InvalidParameter' }
        @{ Parameter = 'IdleTimeout'; Value = '5000d'; Id = 'InvalidParameter' }
        @{ Parameter = 'RunTimeout'; Value = '0s'; Id = 'InvalidParameter' }
        @{ Parameter = 'RunTimeout'; Value = 'soon'; Id = 'ParameterArgumentTransformationError' }
        @{ Parameter = 'AcceptTimeout'; Value = 'soon'; Id = 'ParameterArgumentTransformationError' }
    ) {
        $arguments = @{ HostName = $name; $Parameter = $Value }
        $error0 = { Start-MigrationReceiver @arguments } | Should -Throw -PassThru
        $error0.FullyQualifiedErrorId | Should -Be "$Id,PsMigrate.Commands.StartMigrationReceiverCommand"
        @(Get-MigrationReceiver | Where-Object { $_.HostName -eq $name }) | Should -HaveCount 0
    }

    It 'lets a guest wait for a place with -MaxMigrations, and refuses it after half of -IdleTimeout' {
        $receiver = Start-MigrationReceiver -HostName "$name-to" -MaxMigrations 1 -IdleTimeout 4s
        $null = New-MigrationGuest "$name-1" 8MB -Content Random
        $null = Start-VmMigration "$name-1" $receiver -MaxBandwidth 64KB -AsJob
        $null = Wait-Until { Get-MigrationReceiver $receiver.Id | Where-Object { $_.Incoming.State -contains 'Active' } }
        $guest = New-MigrationGuest "$name-2" 4MB -PassThru
        $last = $guest | Start-VmMigration -Destination $receiver -ErrorVariable failed -ErrorAction SilentlyContinue
        $last.State | Should -Be 'Failed'
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'DestinationRefused,*'
        $failed[0].Exception.Message | Should -BeLike '*as are accepted at one time (1).'
        $guest.State | Should -Be 'Running'
        $null = Stop-Migration "$name-1"
    }

    It 'cuts a connection that says nothing after -FirstWordTimeout' {
        $receiver = Start-MigrationReceiver -HostName $name -FirstWordTimeout 300ms
        $client = [System.Net.Sockets.TcpClient]::new('127.0.0.1', $receiver.Uri.Port)
        try {
            (Wait-MigrationReceiver $receiver.Id -Timeout 30s).Error.Id | Should -Be 'PeerSilent'
        }
        finally { $client.Dispose() }
    }

    It 'makes the oldest connection leave when there are more than -MaxConnections' {
        $receiver = Start-MigrationReceiver -HostName $name -FirstWordTimeout 1h -MaxConnections 2
        $clients = foreach ($number in 1..3) { [System.Net.Sockets.TcpClient]::new('127.0.0.1', $receiver.Uri.Port) }
        try {
            $arrival = Wait-MigrationReceiver $receiver.Id -Timeout 30s
            $arrival.Error.Id | Should -Be 'PeerSilent'
            $arrival.Error.Message | Should -BeLike '*made room for others*'
            $arrival.Peer | Should -BeLike "*:$($clients[0].Client.LocalEndPoint.Port)"
        }
        finally { foreach ($client in $clients) { $client.Dispose() } }
    }
}
