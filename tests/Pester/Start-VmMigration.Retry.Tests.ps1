BeforeAll {
    . $PSScriptRoot/common.ps1

    function Get-FreePort {
        # One where nobody listens.
        $listener = [System.Net.Sockets.TcpListener]::new([System.Net.IPAddress]::Loopback, 0)
        $listener.Start()
        $listener.LocalEndpoint.Port
        $listener.Stop()
    }
}

Describe 'Start-VmMigration -Retry' {
    BeforeEach {
        $failed = $null
        $name = New-TestName
        $null = New-MigrationGuest $name 16MB -Workload Random -DirtyRate 20MB -Content Random -PassThru
        $address = "tcp:127.0.0.1:$(Get-FreePort)"
        $receiver = $null
    }

    AfterEach {
        Stop-Migration "$name*" | Where-Object { $false }
        if ($receiver) { $receiver | Stop-MigrationReceiver }
        Get-Job | Where-Object { $_ -is [PsMigrate.Jobs.MigrationJob] } | Remove-Job -Force
        Remove-MigrationGuest "$name*" -Force
    }

    It 'starts over until the receiver is there, and the guest arrives with every byte' {
        $job = Start-VmMigration $name $address -Retry 1000 -RetryDelay 50ms -Verify -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).Attempts.Count -gt 2 }
        (Get-MigrationGuest $name).State | Should -Be 'Running'
        $receiver = Start-MigrationReceiver $address -HostName "$name-there"
        $state = Wait-Migration $name -Timeout 60s
        $state.State | Should -Be 'Completed'
        $state.Result.Verified | Should -BeTrue
        $state.Result.Attempts.Count | Should -BeGreaterThan 2
        $state.Result.Attempts[0].Error.Id | Should -Be 'ConnectionRefused'
        $state.Result.Attempts[-1].Error | Should -BeNullOrEmpty
        (Get-MigrationGuest $name).Host | Should -Be "$name-there"
        $null = Wait-Job $job -Timeout 60
        $job.State | Should -Be 'Completed'
        @($job.ChildJobs + $job | Where-Object { $_.Warning.Count -gt 0 }) | Should -Not -BeNullOrEmpty
    }

    It 'gives one row of passes, of which only the last attempt''s end is final' {
        $row = @(Start-VmMigration $name $address -Retry 2 -RetryDelay 10ms -ErrorVariable failed -ErrorAction SilentlyContinue -WarningVariable told -WarningAction SilentlyContinue)
        $row | Should -HaveCount 1
        $row[0].IsFinal | Should -BeTrue
        $row[0].Attempt | Should -Be 3
        $row[0].Result.Attempts.Number | Should -Be @(1, 2, 3)
        $row[0].Result.Location | Should -Be 'Source'
        $failed | Should -HaveCount 1
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'ConnectionRefused,*'
        $told | Should -HaveCount 2
        "$($told[0])" | Should -BeLike '*attempt 1*attempt 2 of at most 3*nobody listens*'
        (Get-MigrationGuest $name).State | Should -Be 'Running'
    }

    It 'shows the attempts in the list of the state' {
        $null = Start-VmMigration $name $address -Retry 1 -RetryDelay 0 -ErrorAction SilentlyContinue -WarningAction SilentlyContinue
        $shown = Read-View "//ListItem[Label='Attempts']" (Get-MigrationState -Name $name)
        "$shown" | Should -BeLike '*1 *ConnectionRefused*2 *ConnectionRefused*'
        Read-View "//ListItem[Label='Attempts']" (Get-MigrationState -Name $name).Result | Should -Not -BeNullOrEmpty
    }

    It 'takes <Text> as a delay' -ForEach @{ Text = '250ms'; Seconds = 0.25 }, @{ Text = 2; Seconds = 2 }, @{ Text = '00:00:03'; Seconds = 3 } {
        $null = Start-VmMigration $name $address -Retry 1 -RetryDelay $Text -AsJob
        (Get-MigrationState -Name $name).Parameters.RetryDelay.TotalSeconds | Should -Be $Seconds
        (Get-MigrationState -Name $name).Parameters.Retries | Should -Be 1
    }

    It 'waits a second between attempts unless told otherwise' {
        $null = Start-VmMigration $name $address -Retry 1 -AsJob
        (Get-MigrationState -Name $name).Parameters.RetryDelay | Should -Be ([timespan]::FromSeconds(1))
    }

    It 'refuses <Bad>' -ForEach @{ Bad = '-Retry -1' }, @{ Bad = '-Retry 1001' }, @{ Bad = '-RetryDelay 1s' }, @{ Bad = '-Retry 1 -RetryDelay -1s' } {
        { & ([scriptblock]::Create("Start-VmMigration $name $address -ErrorAction Stop $Bad")) } | Should -Throw
        Get-MigrationState | Where-Object { $_.Name -eq $name } | Should -BeNullOrEmpty
    }

    It 'is cancelled in the pause by Stop-Migration' {
        $job = Start-VmMigration $name $address -Retry 5 -RetryDelay 1h -AsJob
        $state = Wait-Until { Get-MigrationState -Name $name | Where-Object { $_.Advice -like '*next one*' } }
        $state.State | Should -Be 'Setup'
        $answer = Stop-Migration $name
        $answer.Outcome | Should -Be 'Cancelled'
        $answer.Location | Should -Be 'Source'
        $null = Wait-Job $job -Timeout 60
        $job.State | Should -Be 'Stopped'
        (Get-MigrationGuest $name).State | Should -Be 'Running'
    }

    It 'ends in the pause with its pipeline: Ctrl+C' {
        $null = Invoke-WithStop -Script { param($name, $address) Start-VmMigration $name $address -Retry 5 -RetryDelay 1h -WarningAction SilentlyContinue } -ArgumentList $name, $address `
            -Until { Get-MigrationState | Where-Object { $_.Name -eq $name -and $_.Advice -like '*next one*' } }
        (Get-MigrationState -Name $name).State | Should -Be 'Cancelled'
        (Get-MigrationGuest $name).IsBusy | Should -BeFalse
    }

    It 'lets nobody else have the guest in the pause' {
        $null = Start-VmMigration $name $address -Retry 5 -RetryDelay 1h -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).Advice -like '*next one*' }
        Start-VmMigration $name "local:$name-elsewhere" -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'GuestBusy,*'
        "$($failed[0])" | Should -BeLike '*Stop-Migration*'
        Remove-MigrationGuest $name -Force -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'GuestBusy,*'
        $null = Stop-Migration $name
        (Start-VmMigration $name "local:$name-elsewhere")[-1].Result.State | Should -Be 'Completed'
    }

    It 'does not start over what the user has to change' {
        $last = @(Start-VmMigration $name "tcp:127.0.0.1:$(Get-FreePort)" -Retry 3 -RetryDelay 0 -Timeout 1ms -ErrorAction SilentlyContinue -WarningAction SilentlyContinue)[-1]
        $last.Result.State | Should -Be 'Failed'
        $receiver = Start-MigrationReceiver $address -HostName "$name-there" -AllowedName nobody
        $last = @(Start-VmMigration $name $receiver -Retry 3 -RetryDelay 0 -ErrorVariable failed -ErrorAction SilentlyContinue)[-1]
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'DestinationRefused,*'
        $last.Result.Attempts | Should -HaveCount 1
    }

    It 'is for the guests from the pipeline, each by itself' {
        $null = New-MigrationGuest "$name-2" 16MB -PassThru
        $row = Get-MigrationGuest "$name*" | Start-VmMigration -Destination $address -Retry 1 -RetryDelay 10ms -ErrorVariable failed -ErrorAction SilentlyContinue -WarningAction SilentlyContinue
        $failed | Should -HaveCount 2
        $row | ForEach-Object { $_.Result.Attempts | Should -HaveCount 2 }
    }

    It 'says with -WhatIf what it would do, and does nothing' {
        Start-VmMigration $name $address -Retry 3 -WhatIf | Should -BeNullOrEmpty
        Get-MigrationState | Where-Object { $_.Name -eq $name } | Should -BeNullOrEmpty
    }
}
