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

Describe 'Suspend-Migration' {
    BeforeEach { $failed = $null }

    It 'misses what is not known' {
        Suspend-Migration -Name (New-TestName) -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'MigrationNotFound,*'
    }

    Context 'with a guest of this process' {
        BeforeEach {
            $test = Start-TestPostcopy
            $name = $test.Name
        }

        AfterEach { Stop-TestPostcopy $test }

        It 'breaks the link of a postcopy, by <By>' -ForEach @{ By = 'name' }, @{ By = 'number' }, @{ By = 'job' }, @{ By = 'record' } {
            $state = switch ($By) {
                'name' { Suspend-Migration -Name $name -PassThru }
                'number' { Suspend-Migration (Get-MigrationState -Name $name).Id -PassThru }
                'job' { $test.Job | Suspend-Migration -PassThru }
                'record' { Get-MigrationState -Running | Where-Object { $_.Name -eq $name } | Suspend-Migration -PassThru }
            }
            $state.State | Should -Be 'PostcopyPaused'
            $state.Location | Should -Be 'Destination'
            $state.Bottleneck | Should -Be 'Paused'
            $state.Advice | Should -BeLike '*Resume-Migration*'
            $test.Job.State | Should -Be 'Running'
            $null = Wait-Until { @($test.Job.Warning | Where-Object { "$_" -like "*Resume-Migration -Id $($state.Id)*" }).Count -eq 1 }
        }

        It 'says what would happen with -WhatIf, and does nothing' {
            Suspend-Migration -Name $name -PassThru -WhatIf | Should -BeNullOrEmpty
            (Get-MigrationState -Name $name).State | Should -Be 'PostcopyActive'
        }

        It 'refuses one that is paused, and one that has ended' {
            Suspend-Migration -Name $name
            Suspend-Migration -Name $name -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidState,*'
            Resume-Migration -Name $name
            $null = Wait-TestPostcopy $test
            Suspend-Migration -Name $name -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidState,*'
        }
    }

    It 'refuses a migration of a guest of this process before postcopy, and it goes on' {
        $test = Start-TestPostcopy -Before
        try {
            Suspend-Migration -Name $test.Name -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidState,*'
            (Get-MigrationState -Name $test.Name).State | Should -Be 'Active'
        }
        finally { Stop-TestPostcopy $test }
    }
}

Describe 'Suspend-Migration of a guest of QEMU' -Skip:(-not $postcopy) {
    BeforeEach {
        $failed = $null
        $pair = Start-TestPair -Slow
        $name = $pair.Name
        $job = Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $pair.Target.Uri -MaxBandwidth 4MB -MaxDowntime 1ms -Postcopy -MaxPostcopyBandwidth 256KB -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.TransferredBytes -gt 1MB }
    }

    AfterEach { Stop-TestPair $pair }

    It 'breaks the link of a postcopy, by <By>' -ForEach @{ By = 'name' }, @{ By = 'number' }, @{ By = 'job' }, @{ By = 'record' } {
        Switch-Migration -Name $name
        $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PostcopyActive' }
        $state = switch ($By) {
            'name' { Suspend-Migration -Name $name -PassThru }
            'number' { Suspend-Migration (Get-MigrationState -Name $name).Id -PassThru }
            'job' { $job | Suspend-Migration -PassThru }
            'record' { Get-MigrationState -Running | Where-Object { $_.Name -eq $name } | Suspend-Migration -PassThru }
        }
        $state | Should -BeOfType 'PsMigrate.Engine.Model.MigrationState'
        $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PostcopyPaused' }
        (Get-MigrationState -Name $name).Location | Should -Be 'Destination'
        Invoke-TestMonitor $pair.Source 'info status' | Should -Not -BeLike '*VM status: running*'
    }

    It 'refuses a migration before postcopy, and it goes on' {
        Suspend-Migration -Name $name -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidState,*'
        (Get-MigrationState -Name $name).State | Should -Be 'Active'
    }
}
