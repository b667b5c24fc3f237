BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
    $postcopy = $qemu -and (Test-Postcopy)
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
    . $PSScriptRoot/postcopy.ps1
}

Describe 'Switch-Migration' {
    BeforeEach { $failed = $null }

    It 'misses what is not known' {
        Switch-Migration -Name (New-TestName) -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'MigrationNotFound,*'
    }

    Context 'with a guest of this process' {
        BeforeEach {
            $test = Start-TestPostcopy -Before
            $name = $test.Name
        }

        AfterEach { Stop-TestPostcopy $test }

        It 'has the guest run at the destination, whole, by <By>' -ForEach @{ By = 'name' }, @{ By = 'number' }, @{ By = 'job' }, @{ By = 'record' } {
            switch ($By) {
                'name' { Switch-Migration -Name $name }
                'number' { Switch-Migration (Get-MigrationState -Name $name).Id }
                'job' { $test.Job | Switch-Migration }
                'record' { Get-MigrationState -Running | Where-Object { $_.Name -eq $name } | Switch-Migration }
            }
            $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PostcopyActive' }
            (Get-MigrationGuest $name -HostName $test.There).State | Should -Be 'Running'
            (Get-MigrationState -Name $name).Location | Should -Be 'Destination'
            $state = Wait-TestPostcopy $test
            $state.State | Should -Be 'Completed'
            $state.Result.Postcopy.Pages | Should -BeGreaterThan 0
            $digests = Get-TestDigests $test
            $digests[0] | Should -Be $digests[1]
        }

        It 'says before what can be lost, and from then on it is too late to cancel' {
            $state = Switch-Migration -Name $name -PassThru
            $state | Should -BeOfType 'PsMigrate.Engine.Model.MigrationState'
            $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PostcopyActive' }
            $null = Wait-Until { @($test.Job.Warning | Where-Object { "$_" -like '*Switch-Migration was called*is lost*' }).Count -eq 1 }
            $answer = Stop-Migration $name
            $answer.Outcome | Should -Be 'TooLate'
            $answer.Location | Should -Be 'Destination'
        }

        It 'refuses one that has gone over, and one that has ended' {
            Switch-Migration -Name $name
            $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PostcopyActive' }
            Switch-Migration -Name $name -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidState,*'
            $null = Wait-TestPostcopy $test
            Switch-Migration -Name $name -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidState,*'
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
        Wait-TestStatus $pair.Source '*postmigrate*'
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
        # Two passes that are over by the time that QEMU is asked again are one record.
        $first = @{}
        $last = Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $pair.Target.Uri -MaxBandwidth 20MB -MaxDowntime 1ms -Postcopy |
            ForEach-Object {
                if (-not $first.Seen) { $first.Seen = $true; $_ | Switch-Migration }
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
