BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
    $postcopy = $qemu -and (Test-Postcopy)
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'Switch-Migration' {
    BeforeEach { $failed = $null }

    It 'misses what is not known' {
        Switch-Migration -Name (New-TestName) -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'MigrationNotFound,*'
    }

    Context 'with a guest of this process' {
        BeforeAll {
            $name = New-TestName
            $null = New-MigrationGuest $name 16MB -Workload Random -DirtyRate 400MB -Content Random -PassThru
            $job = Start-VmMigration $name "local:$name-to" -MaxBandwidth 40MB -MaxDowntime 1ms -Means Qemu -AsJob
        }

        AfterAll {
            Stop-Migration $name | Where-Object { $false }
            $job | Remove-Job -Force
            Remove-MigrationGuest "$name*" -Force
        }

        It 'is for guests of a QEMU' {
            Switch-Migration -Name $name -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'UnsupportedByGuest,*'
        }

        It 'says what would happen with -WhatIf, and does nothing' {
            Switch-Migration -Name $name -PassThru -WhatIf | Should -BeNullOrEmpty
            (Get-MigrationState -Name $name).State | Should -BeIn 'Setup', 'Active'
        }
    }
}

Describe 'Switch-Migration of a guest of QEMU' -Skip:(-not $postcopy) {
    BeforeEach {
        $failed = $null
        $pair = Start-TestPair
        $name = $pair.Name
        $job = Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $pair.Target.Uri -MaxBandwidth 20MB -MaxDowntime 1ms -Postcopy -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.Iteration -gt 1 }
    }

    AfterEach { Stop-TestPair $pair }

    It 'has the guest run at the destination, and there only, by <By>' -ForEach @{ By = 'name' }, @{ By = 'number' }, @{ By = 'job' }, @{ By = 'record' } {
        switch ($By) {
            'name' { Switch-Migration -Name $name | Should -BeNullOrEmpty }
            'number' { Switch-Migration (Get-MigrationState -Name $name).Id }
            'job' { $job | Switch-Migration }
            'record' { Get-MigrationState -Running | Where-Object { $_.Name -eq $name } | Switch-Migration }
        }
        $state = Wait-Migration $name -Timeout 60s
        $state.State | Should -Be 'Completed'
        $state.QemuStates | Should -Contain 'postcopy-active'
        $state.Location | Should -Be 'Destination'
        Invoke-TestMonitor $pair.Target 'info status' | Should -BeLike '*VM status: running*'
        Invoke-TestMonitor $pair.Source 'info status' | Should -BeLike '*postmigrate*'
    }

    It 'gives the state with -PassThru, and from then on it is too late to cancel' {
        $state = Switch-Migration -Name $name -PassThru
        $state | Should -BeOfType 'PsMigrate.Engine.Model.MigrationState'
        $state.Name | Should -Be $name
        (Stop-Migration $name).Outcome | Should -BeIn 'TooLate', 'AlreadyEnded'
        (Wait-Migration $name -Timeout 60s).State | Should -Be 'Completed'
    }

    It 'can be called for a pass, while it comes down the pipeline' {
        $null = Stop-Migration $name
        Reset-TestTarget $pair
        $last = Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $pair.Target.Uri -MaxBandwidth 20MB -MaxDowntime 1ms -Postcopy |
            ForEach-Object {
                if ($_.Iteration -eq 1) { $_ | Switch-Migration }
                if ($_.IsFinal) { $_ }
            }
        $last.Result.State | Should -Be 'Completed'
        (Get-MigrationState $last.Id).QemuStates | Should -Contain 'postcopy-active'
    }

    It 'refuses a migration that was started without -Postcopy, and it goes on' {
        $null = Stop-Migration $name
        Reset-TestTarget $pair
        $null = Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $pair.Target.Uri -MaxBandwidth 20MB -MaxDowntime 1ms -AsJob
        $id = @(Get-MigrationState -Name $name)[-1].Id
        $null = Wait-Until { (Get-MigrationState $id).State -eq 'Active' }
        Switch-Migration $id -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed | Should -HaveCount 1
        $failed[0].CategoryInfo.Category | Should -BeIn 'InvalidOperation', 'InvalidArgument'
        "$($failed[0])" | Should -BeLike '*-Postcopy*'
        (Get-MigrationState $id).State | Should -Be 'Active'
    }
}
