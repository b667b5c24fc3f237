BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
    $postcopy = $qemu -and (Test-Postcopy)
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'Resume-Migration' {
    BeforeEach { $failed = $null }

    It 'misses what is not known' {
        Resume-Migration -Name (New-TestName) -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'MigrationNotFound,*'
    }

    It 'takes no address that is none' {
        { Resume-Migration -Name x -Destination nowhere } | Should -Throw -ErrorId 'InvalidUri,PsMigrate.Commands.ResumeMigrationCommand'
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
            Resume-Migration -Name $name -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'UnsupportedByGuest,*'
        }

        It 'says what would happen with -WhatIf, and does nothing' {
            Resume-Migration -Name $name -PassThru -WhatIf | Should -BeNullOrEmpty
            (Get-MigrationState -Name $name).State | Should -BeIn 'Setup', 'Active'
        }
    }
}

Describe 'Resume-Migration of a guest of QEMU' -Skip:(-not $postcopy) {
    BeforeEach {
        $failed = $null
        $pair = Start-TestPair -Slow
        $name = $pair.Name
        $job = Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $pair.Target.Uri -MaxBandwidth 4MB -MaxDowntime 1ms -Postcopy -MaxPostcopyBandwidth 2MB -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.TransferredBytes -gt 1MB }
    }

    AfterEach { Stop-TestPair $pair }

    It 'refuses a migration that is not paused, and it goes on' {
        Resume-Migration -Name $name -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidState,*'
        (Get-MigrationState -Name $name).State | Should -Be 'Active'
    }

    Context 'with a postcopy whose link broke' {
        BeforeEach {
            Switch-Migration -Name $name
            $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PostcopyActive' }
            Suspend-Migration -Name $name
            $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PostcopyPaused' }
            Set-Migration -Name $name -MaxPostcopyBandwidth 0
        }

        It 'goes on to the end, by <By>' -ForEach @{ By = 'name' }, @{ By = 'number' }, @{ By = 'job' }, @{ By = 'record' } {
            switch ($By) {
                'name' { Resume-Migration -Name $name -Destination tcp:127.0.0.1:0 | Should -BeNullOrEmpty }
                'number' { Resume-Migration (Get-MigrationState -Name $name).Id -Destination tcp:127.0.0.1:0 }
                'job' { $job | Resume-Migration -Destination tcp:127.0.0.1:0 }
                'record' { Get-MigrationState -Running | Where-Object { $_.Name -eq $name } | Resume-Migration -Destination tcp:127.0.0.1:0 }
            }
            $state = Wait-Migration $name -Timeout 60s
            $state.State | Should -Be 'Completed'
            $state.QemuStates | Should -Contain 'postcopy-paused'
            Invoke-TestMonitor $pair.Target 'info status' | Should -BeLike '*VM status: running*'
        }

        It 'goes on where it was, and says so with -PassThru' {
            $state = Resume-Migration -Name $name -PassThru
            $state.Name | Should -Be $name
            (Wait-Migration $name -Timeout 60s).State | Should -Be 'Completed'
        }
    }
}
