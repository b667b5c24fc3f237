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

Describe 'Start-VmMigration -Mode' {
    BeforeEach { $failed = $null }

    BeforeAll {
        $name = New-TestName
        $null = New-MigrationGuest $name 16MB -PassThru
    }

    AfterAll { Remove-MigrationGuest "$name*" -Force }

    It 'refuses <Bad>' -ForEach @(
        @{ Bad = '-Mode Never' }, @{ Bad = '-PostcopyAfter 0' }, @{ Bad = '-PostcopyAfter 1 -Mode Precopy' }, @{ Bad = '-PostcopyAfter 1 -Mode Postcopy' }
        @{ Bad = '-PostcopyPreempt' }, @{ Bad = '-Mode Postcopy -Verify' }, @{ Bad = '-MaxPostcopyBandwidth -1' }
    ) {
        { & ([scriptblock]::Create("Start-VmMigration $name local:$name-to -ErrorAction Stop $Bad")) } | Should -Throw
        Get-MigrationState | Where-Object { $_.Name -eq $name } | Should -BeNullOrEmpty
    }

    It 'offers its values' {
        $line = 'Start-VmMigration -Mode '
        [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches.CompletionText |
            Should -Be @('Hybrid', 'Postcopy', 'Precopy')
    }

    It 'says with -WhatIf what it would do, and does nothing' {
        Start-VmMigration $name "local:$name-to" -PostcopyAfter 2 -WhatIf | Should -BeNullOrEmpty
        Start-VmMigration $name "local:$name-to" -Mode Postcopy -WhatIf | Should -BeNullOrEmpty
        Get-MigrationState | Where-Object { $_.Name -eq $name } | Should -BeNullOrEmpty
    }
}

Describe 'Start-VmMigration -Mode of a guest of this process' {
    BeforeEach {
        $failed = $test = $null
        $name = New-TestName
        # What the vCPUs touch comes over as fast as they ask for it: a part of the memory, so that the rest is missing until a limit is lifted.
        # That part takes longer to send than a window of 100 ms, so that it is dirty again before a pass is over.
        $null = New-MigrationGuest $name 16MB -ProcessorCount 2 -Workload Random -WorkingSet 2MB -DirtyRate 400MB -Content Random -PassThru
        $receiver = Start-MigrationReceiver tcp:127.0.0.1:0 -HostName "$name-there"
        $slow = @{ Destination = $receiver.Uri; MaxBandwidth = 10MB; MaxDowntime = '1ms'; Means = 'Qemu' }
    }

    AfterEach {
        Get-MigrationState -Running | Where-Object { $_.Name -like "$name*" } | ForEach-Object {
            if ($_.State -eq 'PostcopyPaused') { $null = Stop-Migration $_.Id -Force -Confirm:$false }
            else {
                Set-Migration $_.Id -MaxPostcopyBandwidth 0
                $null = Wait-Migration $_.Id -Timeout 60s
            }
        }
        Get-Job | Where-Object { $_ -is [PsMigrate.Jobs.MigrationJob] } | Remove-Job -Force
        $receiver | Stop-MigrationReceiver -Force
        Remove-MigrationGuest "$name*" -Force
        Stop-TestPostcopy $test
    }

    It 'goes over by itself with <Given>' -ForEach @(
        @{ Given = '-Mode Postcopy'; Mode = 'Postcopy'; More = @{ Mode = 'Postcopy'; MaxPostcopyBandwidth = 4MB } }
        @{ Given = '-PostcopyAfter 2'; Mode = 'Hybrid'; More = @{ PostcopyAfter = 2; MaxPostcopyBandwidth = 1MB } }
        @{ Given = '-Mode Hybrid -PostcopyPreempt'; Mode = 'Hybrid'; More = @{ Mode = 'Hybrid'; PostcopyPreempt = $true; MaxPostcopyBandwidth = 1MB } }
    ) {
        $row = @(Start-VmMigration $name @slow @More -WarningVariable told -WarningAction SilentlyContinue)
        $row[-1].Result.State | Should -Be 'Completed'
        $row[-1].Result.Location | Should -Be 'Destination'
        (Get-MigrationGuest $name).Host | Should -Be "$name-there"
        $state = Get-MigrationState $row[-1].Id
        $state.Parameters.Mode | Should -Be $Mode
        @($told | Where-Object { "$_" -like "*-Mode $Mode*is lost*" }) | Should -HaveCount 1
        $state.Result.Postcopy.Faults | Should -BeGreaterThan 0
        @(Read-View "//ListItem[Label='Postcopy']" $state.Result | Where-Object { $_ -like '*faults*' }) | Should -Not -BeNullOrEmpty
        if ($Mode -eq 'Hybrid') { $row.Count | Should -BeGreaterThan 1 }
    }

    It 'goes over by Switch-Migration without any of it' {
        $job = Start-VmMigration $name @slow -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'Active' }
        Switch-Migration -Name $name
        (Wait-Migration $name -Timeout 60s).Result.Postcopy | Should -Not -BeNullOrEmpty
        $null = Wait-Job $job -Timeout 60
        $job.State | Should -Be 'Completed'
    }

    It 'goes on in the background when its pipeline ends in postcopy by Ctrl+C, and does not hang' {
        $null = Invoke-WithStop -ArgumentList $name, $slow `
            -Script { param($name, $slow) Start-VmMigration $name @slow -Mode Postcopy -MaxPostcopyBandwidth 64KB } `
            -Until { Get-MigrationState | Where-Object { $_.Name -eq $name -and $_.State -eq 'PostcopyActive' } }
        (Get-MigrationState -Name $name).State | Should -Be 'PostcopyActive'
        Set-Migration -Name $name -MaxPostcopyBandwidth 0
        (Wait-Migration $name -Timeout 60s).State | Should -Be 'Completed'
    }

    It 'goes on too when somebody further down has enough, and says what its end would lose' {
        # All that is missing is what was written during the first pass: a guest that writes seldom comes to that late.
        Remove-MigrationGuest $name -Force
        New-MigrationGuest $name 16MB -ProcessorCount 2 -Workload Random -DirtyRate 4MB -Content Random
        $slow.MaxBandwidth = 40MB
        foreach ($once in 1) {
            Start-VmMigration $name @slow -PostcopyAfter 1 -MaxPostcopyBandwidth 16KB -WarningVariable told -WarningAction SilentlyContinue | ForEach-Object {
                $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PostcopyActive' }
                break
            }
        }
        (Get-MigrationState -Name $name).State | Should -Be 'PostcopyActive'
        @($told | Where-Object { "$_" -like '*in the background*If this process ends*is lost*' }) | Should -HaveCount 1
    }

    It 'waits in the foreground while it is paused, and says how to go on' {
        $run = Start-InRunspace { param($name, $slow) Start-VmMigration $name @slow -Mode Postcopy -MaxPostcopyBandwidth 64KB } $name, $slow
        $null = Wait-Until { Get-MigrationState | Where-Object { $_.Name -eq $name -and $_.State -eq 'PostcopyActive' } }
        Suspend-Migration -Name $name
        $id = (Get-MigrationState -Name $name).Id
        $null = Wait-Until { @($run.Shell.Streams.Warning | Where-Object { "$_" -like "*Resume-Migration -Id $id*pipeline waits*" }).Count -eq 1 }
        Resume-Migration -Name $name
        Set-Migration -Name $name -MaxPostcopyBandwidth 0
        @(Wait-InRunspace $run)[-1].Result.State | Should -Be 'Completed'
    }

    It 'goes on by itself with -Retry, but not when it was paused on purpose' {
        $job = Start-VmMigration $name @slow -Mode Postcopy -MaxPostcopyBandwidth 64KB -Retry 3 -RetryDelay 100ms -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PostcopyActive' }
        Suspend-Migration -Name $name
        foreach ($look in 1..5) {
            [System.Threading.Thread]::Sleep(100)
            (Get-MigrationState -Name $name).State | Should -Be 'PostcopyPaused'
        }
        Resume-Migration -Name $name
        Set-Migration -Name $name -MaxPostcopyBandwidth 0
        (Wait-Migration $name -Timeout 60s).State | Should -Be 'Completed'
    }

    It 'is left as it is by Stop-Job and Remove-Job' {
        $job = Start-VmMigration $name @slow -Mode Postcopy -MaxPostcopyBandwidth 64KB -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PostcopyActive' }
        Stop-Job $job
        $job.State | Should -Be 'Running'
        @($job.Warning | Where-Object { "$_" -like '*in the background*' }) | Should -HaveCount 1
        Remove-Job $job -Force
        Set-Migration -Name $name -MaxPostcopyBandwidth 0
        (Wait-Migration $name -Timeout 60s).State | Should -Be 'Completed'
    }

    It 'refuses a place that has no way back, and the guest runs on' {
        $null = Start-VmMigration $name "file:$TestDrive/$name" -Mode Postcopy -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed | Should -HaveCount 1
        $failed[0].CategoryInfo.Category | Should -BeIn 'NotImplemented', 'InvalidArgument', 'InvalidOperation'
        (Get-MigrationGuest $name -HostName local).State | Should -Be 'Running'
    }
}

Describe 'Start-VmMigration -Mode of a guest of QEMU' -Skip:(-not $postcopy) {
    AfterEach { Stop-TestPair $pair }

    Context 'that writes faster than the link carries' {
        BeforeEach {
            $pair = Start-TestPair
            $name = $pair.Name
            $way = @{ Destination = 'tcp:127.0.0.1:0'; DestinationQmp = $pair.Target.Uri; MaxBandwidth = 20MB; MaxDowntime = '1ms' }
        }

        It 'goes over by itself with <Given>' -ForEach @{ Given = '-Mode Postcopy'; Mode = 'Postcopy' }, @{ Given = '-PostcopyAfter 2'; Mode = 'Hybrid' } {
            $more = if ($Mode -eq 'Hybrid') { @{ PostcopyAfter = 2 } } else { @{ Mode = 'Postcopy' } }
            $last = @(Start-VmMigration $name @way @more -WarningVariable told -WarningAction SilentlyContinue)[-1]
            $last.Result.State | Should -Be 'Completed'
            $last.Result.Location | Should -Be 'Destination'
            $state = Get-MigrationState $last.Id
            $state.QemuStates | Should -Contain 'postcopy-active'
            $state.Parameters.Mode | Should -Be $Mode
            $state.Parameters.Postcopy | Should -BeTrue
            @($told | Where-Object { "$_" -like '*is lost*' }) | Should -HaveCount 1
            if ($Mode -eq 'Hybrid') { $last.Qemu.DirtySyncCount | Should -BeGreaterThan 2 }
            @(Read-View "//ListItem[Label='Mode']" $state | Where-Object { $_ -like "$Mode*" }) | Should -HaveCount 1
        }
    }

    Context 'that writes so slowly that it does not have its memory before a test has looked at it' {
        BeforeEach {
            $pair = Start-TestPair -Slow
            $name = $pair.Name
            $way = @{ Destination = 'tcp:127.0.0.1:0'; DestinationQmp = $pair.Target.Uri; MaxBandwidth = 4MB; MaxDowntime = '1ms' }
        }

        It 'goes on in the background when its pipeline ends in postcopy, and does not hang' {
            $null = Invoke-WithStop -ArgumentList $name, $way -TimeoutSeconds 60 `
                -Script { param($name, $way) Start-VmMigration $name @way -Mode Postcopy -MaxPostcopyBandwidth 64KB } `
                -Until { Get-MigrationState | Where-Object { $_.Name -eq $name -and $_.State -eq 'PostcopyActive' -and $_.Location -eq 'Destination' } }
            (Get-MigrationState -Name $name).Result | Should -BeNullOrEmpty
            Set-Migration -Name $name -MaxPostcopyBandwidth 0
            (Wait-Migration $name -Timeout 60s).State | Should -Be 'Completed'
        }

        It 'goes on too when somebody further down has enough, with a warning' {
            foreach ($once in 1) {
                Start-VmMigration $name @way -PostcopyAfter 1 -MaxPostcopyBandwidth 64KB -WarningVariable told -WarningAction SilentlyContinue | ForEach-Object {
                    $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PostcopyActive' }
                    break
                }
            }
            @($told | Where-Object { "$_" -like '*in the background*QEMU does it*' }) | Should -HaveCount 1
            Set-Migration -Name $name -MaxPostcopyBandwidth 0
            (Wait-Migration $name -Timeout 60s).State | Should -Be 'Completed'
        }

        It 'waits in a job while it is paused, and says so' {
            $job = Start-VmMigration $name @way -Mode Postcopy -MaxPostcopyBandwidth 64KB -AsJob
            $null = Wait-Until { Get-MigrationState -Name $name | Where-Object { $_.State -eq 'PostcopyActive' -and $_.Location -eq 'Destination' } }
            Suspend-Migration $name
            $null = Wait-Until { @($job.Warning | Where-Object { "$_" -like '*Resume-Migration -Id*' }).Count -gt 0 }
            $job.State | Should -Be 'Running'
            $state = Get-MigrationState -Name $name
            $state.State | Should -Be 'PostcopyPaused'
            $state.Bottleneck | Should -Be 'Paused'
            $state.Advice | Should -BeLike '*Resume-Migration*'
            Stop-Job $job
            $job.State | Should -Be 'Running'
            @($job.Warning | Where-Object { "$_" -like '*in the background*' }) | Should -HaveCount 1
            Set-Migration -Name $name -MaxPostcopyBandwidth 0
            (Resume-Migration $name -Destination tcp:127.0.0.1:0 -PassThru).State | Should -BeIn 'PostcopyActive', 'Completed'
            (Wait-Migration $name -Timeout 60s).State | Should -Be 'Completed'
            $null = Wait-Job $job -Timeout 60
            $job.State | Should -Be 'Completed'
        }
    }
}
