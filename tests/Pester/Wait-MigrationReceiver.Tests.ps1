BeforeAll {
    . $PSScriptRoot/common.ps1
}

Describe 'Wait-MigrationReceiver' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
        $receiver = Start-MigrationReceiver -HostName "$name-to"
        New-MigrationGuest "$name-1", "$name-2" 8MB -DirtyRate 5MB -Content Random
    }

    AfterEach {
        Stop-Migration "$name*" | Where-Object { $false }
        Get-Job | Where-Object { $_ -is [PsMigrate.Jobs.MigrationJob] } | Remove-Job -Force
        Get-MigrationReceiver | Where-Object { $_.HostName -like "$name*" } | Stop-MigrationReceiver
        Remove-MigrationGuest "$name*" -Force
    }

    It 'gives a record of the guest that arrives' {
        $null = Start-VmMigration "$name-1" $receiver -MaxBandwidth 20MB -AsJob
        $arrival = $receiver | Wait-MigrationReceiver -Timeout 60s
        $arrival | Should -HaveCount 1
        $arrival | Should -BeOfType 'PsMigrate.Engine.MigrationArrival'
        $arrival.ReceiverId | Should -Be $receiver.Id
        $arrival.Name | Should -Be "$name-1"
        $arrival.State | Should -Be 'Completed'
        $arrival.GuestState | Should -Be 'Running'
        $arrival.Guest.Host | Should -Be "$name-to"
        $arrival.TotalBytes | Should -Be 8MB
        $arrival.ReceivedBytes | Should -BeGreaterThan 8MB
        $arrival.Error | Should -BeNullOrEmpty
    }

    It 'gives -Count records, each as it comes' {
        $null = Start-VmMigration "$name-1", "$name-2" $receiver -MaxBandwidth 20MB -ThrottleLimit 1 -AsJob
        $running = @{}
        $arrivals = @(Wait-MigrationReceiver $receiver.Id -Count 2 -Timeout 60s |
            ForEach-Object { $running[$_.Name] = @(Get-MigrationState -Name "$name*").Count; $_ })
        $arrivals.Name | Should -Be @("$name-1", "$name-2")
        $running.Count | Should -Be 2
    }

    It 'gives what came before the wait, and each arrival once' {
        $null = Start-VmMigration "$name-1" $receiver
        ($receiver | Wait-MigrationReceiver -Timeout 60s).Name | Should -Be "$name-1"
        $receiver | Wait-MigrationReceiver -Timeout 100ms -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].Exception.Id | Should -Be 'Timeout'
    }

    It 'gives a record of what did not arrive, with the reason' {
        $null = Start-VmMigration "$name-1" $receiver -MaxBandwidth 100KB -AsJob
        $null = Wait-Until { (Get-MigrationState -Name "$name-1").State -eq 'Active' }
        $null = Stop-Migration "$name-1"
        $arrival = $receiver | Wait-MigrationReceiver -Timeout 60s
        $arrival.State | Should -Be 'Failed'
        $arrival.Name | Should -Be "$name-1"
        $arrival.Guest | Should -BeNullOrEmpty
        $arrival.Error.Id | Should -BeIn 'UnexpectedEnd', 'ConnectionLost'
        (Get-MigrationGuest "$name-1").State | Should -Be 'Running'
    }

    It 'takes what is no migration stream for an error, and goes on' {
        $client = [System.Net.Sockets.TcpClient]::new()
        $client.Connect('127.0.0.1', $receiver.Uri.Port)
        $client.GetStream().Write([System.Text.Encoding]::ASCII.GetBytes("GET / HTTP/1.1`r`n`r`n"))
        $arrival = $receiver | Wait-MigrationReceiver -Timeout 60s
        $client.Dispose()
        $arrival.State | Should -Be 'Failed'
        $arrival.Error.Id | Should -Be 'BadMagic'
        (Start-VmMigration "$name-1" $receiver)[-1].State | Should -Be 'Completed'
    }

    It 'gives up after -Timeout <Given>, and the receiver goes on' -ForEach @{ Given = '150ms' }, @{ Given = 0.15 } {
        $receiver | Wait-MigrationReceiver -Timeout $Given -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed | Should -HaveCount 1
        $failed[0].FullyQualifiedErrorId | Should -Be 'Timeout,PsMigrate.Commands.WaitMigrationReceiverCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'OperationTimeout'
        (Get-MigrationReceiver $receiver.Id).Status | Should -Be 'Listening'
    }

    It 'ends with the receiver, with -Count 0' {
        $run = Start-InRunspace { param($id) Wait-MigrationReceiver $id -Count 0 } -ArgumentList $receiver.Id
        $null = Start-VmMigration "$name-1" $receiver
        $null = Start-VmMigration "$name-2" $receiver
        $null = Wait-Until { $run.Output.Count -eq 2 }
        $receiver | Stop-MigrationReceiver
        (Wait-InRunspace $run).Name | Should -Be @("$name-1", "$name-2")
        @($run.Errors) | Should -HaveCount 0
    }

    It 'leaves the receiver alone when the wait is stopped' {
        $null = Invoke-WithStop { param($id) 'waits'; Wait-MigrationReceiver $id } -ArgumentList $receiver.Id -Until { $args[0].Output.Count -ge 1 }
        (Get-MigrationReceiver $receiver.Id).Status | Should -Be 'Listening'
    }

    It 'leaves the receiver alone after a break' {
        $null = Start-VmMigration "$name-1" $receiver
        $seen = 0
        foreach ($once in 1) { Wait-MigrationReceiver $receiver.Id -Count 5 | ForEach-Object { $seen++; break } }
        $seen | Should -Be 1
        (Get-MigrationReceiver $receiver.Id).Status | Should -Be 'Listening'
        (Get-MigrationGuest "$name-1").State | Should -Be 'Running'
    }

    It 'misses a number that nobody has' {
        Wait-MigrationReceiver 2147483647 -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed | Should -HaveCount 1
        $failed[0].FullyQualifiedErrorId | Should -Be 'ReceiverNotFound,PsMigrate.Commands.WaitMigrationReceiverCommand'
    }
}
