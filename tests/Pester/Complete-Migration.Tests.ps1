BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'Complete-Migration' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
        $guest = New-MigrationGuest $name 16MB -Workload Random -DirtyRate 400MB -Content Random -PassThru
        # Every page is dirty again before a pass is over.
        $job = Start-VmMigration $name "local:$name-to" -MaxBandwidth 40MB -MaxDowntime 1ms -Means Qemu -Verify -AsJob
    }

    AfterEach {
        Stop-Migration "$name*" | Where-Object { $false }
        Get-Job | Where-Object { $_ -is [PsMigrate.Jobs.MigrationJob] } | Remove-Job -Force
        Remove-MigrationGuest "$name*" -Force
    }

    It 'switches over now, whatever the downtime, by <By>' -ForEach @{ By = 'name' }, @{ By = 'number' }, @{ By = 'job' }, @{ By = 'record' } {
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.Iteration -gt 1 }
        switch ($By) {
            'name' { Complete-Migration -Name $name | Should -BeNullOrEmpty }
            'number' { Complete-Migration (Get-MigrationState -Name $name).Id }
            'job' { $job | Complete-Migration }
            'record' { Get-MigrationState -Running | Where-Object { $_.Name -eq $name } | Complete-Migration }
        }
        $state = Wait-Migration $name -Timeout 60s
        $state.State | Should -Be 'Completed'
        $state.Result.Verified | Should -BeTrue
        $state.Downtime | Should -BeGreaterThan $state.Parameters.MaxDowntime
        (Get-MigrationGuest $name).Host | Should -Be "$name-to"
    }

    It 'is recorded as a decision' {
        Complete-Migration -Name $name
        $state = Wait-Migration $name -Timeout 60s
        @($state.Decisions) | Should -HaveCount 1
        $state.Decisions[0].What | Should -Be 'Switch over'
        $state.Decisions[0].Reason | Should -BeLike '*Complete-Migration*'
    }

    It 'lets a migration go on that waits before its switch-over' {
        $null = Stop-Migration $name
        $null = Start-VmMigration $name "local:$name-to" -PauseBeforeSwitchover -MaxDowntime 2s -Verify -AsJob
        $null = Wait-Until { @(Get-MigrationState -Name $name)[-1].State -eq 'PreSwitchover' }
        @(Get-MigrationState -Name $name)[-1].Bottleneck | Should -Be 'WaitingForSwitchover'
        $digest = $guest.Digest()
        [System.Threading.Thread]::Sleep(50)
        $state = Complete-Migration -Name $name -PassThru
        $state.Name | Should -Be $name
        $state = Wait-Migration $name -Timeout 60s
        $state.State | Should -Be 'Completed'
        $state.DowntimeParts.Waiting.TotalMilliseconds | Should -BeGreaterThan 40
        $state.Result.SourceDigest | Should -Be $digest
        $state.Result.DestinationDigest | Should -Be $digest
    }

    It 'is too late for a migration that has ended' {
        $null = Stop-Migration $name
        Complete-Migration -Name $name -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -Be 'InvalidState,PsMigrate.Commands.CompleteMigrationCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'InvalidOperation'
    }

    It 'misses what is not known' {
        Complete-Migration -Name "$name-x" -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'MigrationNotFound,*'
    }

    It 'changes nothing with -WhatIf' {
        Complete-Migration -Name $name -PassThru -WhatIf | Should -BeNullOrEmpty
        [System.Threading.Thread]::Sleep(100)
        (Get-MigrationState -Name $name).State | Should -BeIn 'Setup', 'Active'
    }
}

Describe 'Complete-Migration of a guest of QEMU' -Skip:(-not $qemu) {
    BeforeEach {
        $failed = $null
        $pair = Start-TestPair
        $name = $pair.Name
    }

    AfterEach { Stop-TestPair $pair }

    It 'switches over now, whatever the downtime, by <By>' -ForEach @{ By = 'name' }, @{ By = 'job' }, @{ By = 'record' } {
        $job = Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $pair.Target.Uri -MaxBandwidth 20MB -MaxDowntime 1ms -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.Iteration -gt 1 }
        switch ($By) {
            'name' { Complete-Migration -Name $name | Should -BeNullOrEmpty }
            'job' { $job | Complete-Migration }
            'record' { Get-MigrationState -Running | Where-Object { $_.Name -eq $name } | Complete-Migration }
        }
        (Wait-Migration $name -Timeout 60s).State | Should -Be 'Completed'
        Invoke-TestMonitor $pair.Target 'info status' | Should -BeLike '*VM status: running*'
        Wait-TestStatus $pair.Source '*postmigrate*'
    }

    It 'lets a migration go on that waits before its switch-over' {
        $null = Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $pair.Target.Uri -MaxDowntime 2s -PauseBeforeSwitchover -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PreSwitchover' }
        Invoke-TestMonitor $pair.Source 'info status' | Should -Not -BeLike '*VM status: running*'
        (Complete-Migration -Name $name -PassThru).Name | Should -Be $name
        $state = Wait-Migration $name -Timeout 60s
        $state.State | Should -Be 'Completed'
        $state.QemuStates | Should -Contain 'pre-switchover'
        Invoke-TestMonitor $pair.Target 'info status' | Should -BeLike '*VM status: running*'
    }
}
