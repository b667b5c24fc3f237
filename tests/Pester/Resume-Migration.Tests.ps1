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

Describe 'Resume-Migration' {
    BeforeEach { $failed = $null }

    It 'misses what is not known' {
        Resume-Migration -Name (New-TestName) -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'MigrationNotFound,*'
    }

    It 'takes no address that is none' {
        { Resume-Migration -Name x -Destination nowhere } | Should -Throw -ErrorId 'InvalidUri,PsMigrate.Commands.ResumeMigrationCommand'
    }

    It 'offers where it could go on, and no place without a way back' {
        $line = 'Resume-Migration 1 -Destination '
        $found = [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches.CompletionText
        $found | Should -Contain 'tcp:'
        $found | Should -Not -Contain 'file:'
    }

    Context 'with a guest of this process' {
        BeforeEach {
            $test = Start-TestPostcopy
            $name = $test.Name
        }

        AfterEach { Stop-TestPostcopy $test }

        It 'goes on to the end, and nothing of the guest is lost, by <By>' -ForEach @{ By = 'name' }, @{ By = 'number' }, @{ By = 'job' }, @{ By = 'record' } {
            Suspend-Migration -Name $name
            switch ($By) {
                'name' { Resume-Migration -Name $name }
                'number' { Resume-Migration (Get-MigrationState -Name $name).Id }
                'job' { $test.Job | Resume-Migration }
                'record' { Get-MigrationState -Running | Where-Object { $_.Name -eq $name } | Resume-Migration }
            }
            (Get-MigrationState -Name $name).State | Should -Be 'PostcopyActive'
            (Wait-TestPostcopy $test).State | Should -Be 'Completed'
            $digests = Get-TestDigests $test
            $digests[0] | Should -Be $digests[1]
        }

        It 'goes on twice, and says so with -PassThru' {
            foreach ($round in 1, 2) {
                Suspend-Migration -Name $name
                (Resume-Migration -Name $name -PassThru).State | Should -Be 'PostcopyActive'
            }
            (Wait-TestPostcopy $test).State | Should -Be 'Completed'
            @((Get-MigrationState -Name $name).Decisions | Where-Object { $_.What -eq 'Recovery' -and $_.To -eq 'connected' }) | Should -HaveCount 2
        }

        It 'does not wait with -NoWait' {
            Suspend-Migration -Name $name
            Resume-Migration -Name $name -NoWait
            $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PostcopyActive' }
        }

        It 'fails where nobody listens, and it stays paused; it can be tried again' {
            Suspend-Migration -Name $name
            Resume-Migration -Name $name -Destination tcp:127.0.0.1:9 -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed | Should -HaveCount 1
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'ConnectionRefused,*'
            (Get-MigrationState -Name $name).State | Should -Be 'PostcopyPaused'
            Resume-Migration -Name $name
            (Wait-TestPostcopy $test).State | Should -Be 'Completed'
        }

        It 'refuses what is not paused, and a place without a way back' {
            Resume-Migration -Name $name -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidState,*'
            Suspend-Migration -Name $name
            Resume-Migration -Name $name -Destination file:/dev/null -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidUri,*'
            (Get-MigrationState -Name $name).State | Should -Be 'PostcopyPaused'
        }

        It 'says what would happen with -WhatIf, and does nothing' {
            Suspend-Migration -Name $name
            Resume-Migration -Name $name -PassThru -WhatIf | Should -BeNullOrEmpty
            (Get-MigrationState -Name $name).State | Should -Be 'PostcopyPaused'
        }
    }
}

Describe 'Resume-Migration of a guest of QEMU' -Skip:(-not $postcopy) {
    BeforeEach {
        $failed = $null
        $pair = Start-TestPair -Slow
        $name = $pair.Name
        $job = Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $pair.Target.Uri -MaxBandwidth 4MB -MaxDowntime 1ms -Postcopy -MaxPostcopyBandwidth 256KB -AsJob
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
