BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/postcopy.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'Wait-Migration' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
        New-MigrationGuest $name 8MB -Workload Random -DirtyRate 5MB -Content Random
    }

    AfterEach {
        Stop-Migration "$name*" | Where-Object { $false }
        Get-Job | Where-Object { $_ -is [PsMigrate.Jobs.MigrationJob] } | Remove-Job -Force
        Remove-MigrationGuest "$name*" -Force
    }

    It 'gives the state at the end, by <By>' -ForEach @{ By = 'name' }, @{ By = 'number' }, @{ By = 'job' }, @{ By = 'record' } {
        $job = Start-VmMigration $name "local:$name-to" -MaxBandwidth 20MB -Verify -AsJob
        $state = switch ($By) {
            'name' { Wait-Migration $name }
            'number' { Wait-Migration (Get-MigrationState -Name $name).Id }
            'job' { $job | Wait-Migration }
            'record' { Get-MigrationState -Running | Where-Object { $_.Name -eq $name } | Wait-Migration }
        }
        @($state) | Should -HaveCount 1
        $state.Name | Should -Be $name
        $state.State | Should -Be 'Completed'
        $state.Result.Verified | Should -BeTrue
    }

    It 'is done at once when the migration has ended' {
        $null = Start-VmMigration $name "local:$name-to"
        (Wait-Migration $name -Timeout 0).State | Should -Be 'Completed'
    }

    It 'waits for all migrations of a job' {
        New-MigrationGuest "$name-2" 8MB -Content Random
        $job = Start-VmMigration $name, "$name-2" "local:$name-to" -MaxBandwidth 20MB -ThrottleLimit 2 -AsJob
        $states = @($job | Wait-Migration -Timeout 60s)
        $states.Name | Should -Be @($name, "$name-2")
        $states.State | Should -Be @('Completed', 'Completed')
    }

    It 'gives a migration that was cancelled or failed too' {
        $null = Start-VmMigration $name "local:$name-to" -MaxBandwidth 1MB -Timeout 200ms -AsJob
        $state = Wait-Migration $name -Timeout 60s -ErrorVariable failed
        $failed | Should -BeNullOrEmpty
        $state.State | Should -Be 'Failed'
        $state.Error.Id | Should -Be 'Timeout'
    }

    It 'gives up after -Timeout <Given>, and the migration goes on' -ForEach @{ Given = '200ms' }, @{ Given = 0.2 }, @{ Given = [timespan]::FromMilliseconds(200) } {
        # More than a minute; whoever did not give up would see its end.
        $null = Start-VmMigration $name "local:$name-to" -MaxBandwidth 100KB -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'Active' }
        Wait-Migration $name -Timeout $Given -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed | Should -HaveCount 1
        $failed[0].FullyQualifiedErrorId | Should -Be 'Timeout,PsMigrate.Commands.WaitMigrationCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'OperationTimeout'
        $failed[0].Exception.Side | Should -Be 'User'
        (Get-MigrationState -Name $name).State | Should -Be 'Active'
    }

    It 'leaves the migration alone when the wait is stopped' {
        $null = Start-VmMigration $name "local:$name-to" -MaxBandwidth 100KB -AsJob
        $null = Invoke-WithStop { param($name) 'waits'; Wait-Migration $name } -ArgumentList $name -Until { $args[0].Output.Count -ge 1 }
        (Get-MigrationState -Name $name).State | Should -BeIn 'Setup', 'Active'
    }

    It 'misses what is not known' {
        Wait-Migration "$name-x" -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        Wait-Migration 2147483647 -ErrorVariable +failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed | Should -HaveCount 2
        foreach ($record in $failed) { $record.FullyQualifiedErrorId | Should -Be 'MigrationNotFound,PsMigrate.Commands.WaitMigrationCommand' }
    }

    It 'gives nothing for a pattern that fits nothing that runs' {
        $null = Start-VmMigration $name "local:$name-to"
        Wait-Migration "$name*" -ErrorVariable failed | Should -BeNullOrEmpty
        $failed | Should -BeNullOrEmpty
    }
}

Describe 'Wait-Migration of what is paused in postcopy' {
    It 'says what it waits for, and goes on waiting for as long as it may' {
        $test = Start-TestPostcopy
        try {
            Suspend-Migration -Name $test.Name
            Wait-Migration $test.Name -Timeout 200ms -ErrorVariable failed -ErrorAction SilentlyContinue -WarningVariable told -WarningAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'Timeout,*'
            $told | Should -HaveCount 1
            "$told" | Should -BeLike '*Resume-Migration -Id*'
            Resume-Migration -Name $test.Name
            (Wait-TestPostcopy $test).State | Should -Be 'Completed'
        }
        finally { Stop-TestPostcopy $test }
    }
}

Describe 'Wait-Migration of a guest of QEMU' -Skip:(-not $qemu) {
    BeforeEach {
        $failed = $null
        $pair = Start-TestPair
        $name = $pair.Name
        $job = Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $pair.Target.Uri -MaxBandwidth 20MB -MaxDowntime 1ms -AsJob
    }

    AfterEach { Stop-TestPair $pair }

    It 'gives the state at the end' {
        Set-Migration -Name $name -MaxDowntime 2s -MaxBandwidth 0
        $state = $job | Wait-Migration -Timeout 60s
        $state.State | Should -Be 'Completed'
        $state.Location | Should -Be 'Destination'
    }

    It 'gives up after -Timeout, and the migration goes on' {
        Wait-Migration $name -Timeout 200ms -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].FullyQualifiedErrorId | Should -Be 'Timeout,PsMigrate.Commands.WaitMigrationCommand'
        (Get-MigrationState -Name $name).State | Should -BeIn 'Setup', 'Active'
    }

    It 'leaves the migration alone when the wait is stopped' {
        $null = Invoke-WithStop { param($name) 'waits'; Wait-Migration $name } -ArgumentList $name -Until { $args[0].Output.Count -ge 1 }
        (Get-MigrationState -Name $name).State | Should -BeIn 'Setup', 'Active'
    }
}
