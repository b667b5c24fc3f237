BeforeAll {
    . $PSScriptRoot/common.ps1
}

Describe 'Stop-MigrationReceiver' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
        $receiver = Start-MigrationReceiver -HostName "$name-to"
    }

    AfterEach {
        Get-Job | Where-Object { $_ -is [PsMigrate.Jobs.MigrationJob] } | Remove-Job -Force
        Get-MigrationReceiver | Where-Object { $_.HostName -like "$name*" } | Stop-MigrationReceiver -Force
        Remove-MigrationGuest "$name*" -Force
    }

    It 'ends listening' {
        Stop-MigrationReceiver $receiver.Id | Should -BeNullOrEmpty
        @(Get-MigrationReceiver | Where-Object { $_.Id -eq $receiver.Id }) | Should -HaveCount 0
        $client = [System.Net.Sockets.TcpClient]::new()
        { $client.Connect('127.0.0.1', $receiver.Uri.Port) } | Should -Throw
        $client.Dispose()
    }

    It 'takes receivers from the pipeline, and gives their states with -PassThru' {
        $states = $receiver, (Start-MigrationReceiver -HostName "$name-2") | Stop-MigrationReceiver -PassThru
        $states | Should -HaveCount 2
        $states.Status | Should -Be @('Stopped', 'Stopped')
    }

    It 'frees the address' {
        Stop-MigrationReceiver $receiver.Id
        $again = Start-MigrationReceiver "$($receiver.Uri)" -HostName "$name-to"
        "$($again.Uri)" | Should -Be "$($receiver.Uri)"
    }

    It 'leaves guests that have arrived' {
        New-MigrationGuest $name 8MB -DirtyRate 5MB
        $null = Start-VmMigration $name $receiver
        Stop-MigrationReceiver $receiver.Id
        (Get-MigrationGuest $name).State | Should -Be 'Running'
        (Get-MigrationGuest $name).Host | Should -Be "$name-to"
    }

    It 'breaks off what is on its way, and the guest goes on at its source' {
        $guest = New-MigrationGuest $name 8MB -DirtyRate 5MB -Content Random -PassThru
        $job = Start-VmMigration $name $receiver -MaxBandwidth 100KB -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'Active' }
        Stop-MigrationReceiver $receiver.Id
        (Wait-Job $job -Timeout 60).State | Should -Be 'Failed'
        $job.Error[0].Exception.Id | Should -BeIn 'ConnectionLost', 'DestinationFailed'
        $job.Error[0].Exception.Location | Should -Be 'Source'
        $guest.State | Should -Be 'Running'
        $guest.IsBusy | Should -BeFalse
        @(Get-MigrationGuest $name) | Should -HaveCount 1
    }

    It 'misses a number that nobody has, and goes on' {
        Stop-MigrationReceiver 2147483647, $receiver.Id -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed | Should -HaveCount 1
        $failed[0].FullyQualifiedErrorId | Should -Be 'ReceiverNotFound,PsMigrate.Commands.StopMigrationReceiverCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'ObjectNotFound'
        @(Get-MigrationReceiver | Where-Object { $_.Id -eq $receiver.Id }) | Should -HaveCount 0
    }

    It 'changes nothing with -WhatIf' {
        $receiver | Stop-MigrationReceiver -PassThru -WhatIf | Should -BeNullOrEmpty
        (Get-MigrationReceiver $receiver.Id).Status | Should -Be 'Listening'
    }

    Context 'A guest in postcopy' {
        BeforeEach {
            $guest = New-MigrationGuest $name 32MB -WorkingSet 1MB -DirtyRate 5MB -Content Random -PassThru
            $job = Start-VmMigration $name $receiver -Postcopy -MaxBandwidth 100KB -MaxPostcopyBandwidth 100KB -AsJob
            $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'Active' }
            Switch-Migration -Name $name
            $null = Wait-Until { (Get-MigrationReceiver $receiver.Id).Incoming | Where-Object { $_.State -eq 'PostcopyActive' } }
        }

        It 'is a reason not to stop' {
            Stop-MigrationReceiver $receiver.Id -PassThru -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
            $failed[0].FullyQualifiedErrorId | Should -Be 'InvalidState,PsMigrate.Commands.StopMigrationReceiverCommand'
            $failed[0].Exception.Message | Should -Match $name
            $state = Get-MigrationReceiver $receiver.Id
            $state.Status | Should -Be 'Listening'
            $state.Incoming[0].MissingPages | Should -BeGreaterThan 0
            $state.Incoming[0].GuestState | Should -Be 'Running'
            Set-Migration -Name $name -MaxPostcopyBandwidth 0
            (Wait-Job $job -Timeout 60).State | Should -Be 'Completed'
            $arrival = Wait-MigrationReceiver $receiver.Id -Timeout 30
            $arrival.State | Should -Be 'Completed'
            $arrival.MissingPages | Should -Be 0
            $arrival.Postcopy.Pages | Should -BeGreaterThan 0
            Stop-MigrationReceiver $receiver.Id
        }

        It 'is lost by force, and both ends say so' {
            $state = Stop-MigrationReceiver $receiver.Id -Force -PassThru -WarningVariable warned -WarningAction SilentlyContinue
            $state.Status | Should -Be 'Stopped'
            $warned | Should -HaveCount 1
            $warned[0].Message | Should -Match "Guest $name is lost: [1-9]\d* of its 8192 pages have not come"
            (Wait-Job $job -Timeout 60).State | Should -Be 'Failed'
            $job.Error[0].Exception.Id | Should -Be 'GuestLost'
            $job.Error[0].Exception.Location | Should -Be 'Lost'
            $guest.State | Should -Be 'Lost'
            (Get-MigrationGuest $name | Where-Object { $_.Host -eq "$name-to" }).State | Should -Be 'Lost'
        }

        It 'is not lost with -WhatIf' {
            Stop-MigrationReceiver $receiver.Id -Force -WhatIf
            (Get-MigrationReceiver $receiver.Id).Status | Should -Be 'Listening'
            (Get-MigrationGuest $name | Where-Object { $_.Host -eq "$name-to" }).State | Should -Be 'Running'
        }
    }
}
