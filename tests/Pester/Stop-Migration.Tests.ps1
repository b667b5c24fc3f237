BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/postcopy.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'Stop-Migration' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
        $guest = New-MigrationGuest $name 8MB -Workload Random -DirtyRate 5MB -Content Random -PassThru
    }

    AfterEach {
        Stop-Migration "$name*" | Where-Object { $false }
        Get-Job | Where-Object { $_ -is [PsMigrate.Jobs.MigrationJob] } | Remove-Job -Force
        Remove-MigrationGuest "$name*" -Force
    }

    It 'cancels, and the guest goes on at the source, by <By>' -ForEach @{ By = 'name' }, @{ By = 'number' }, @{ By = 'job' }, @{ By = 'record' } {
        $job = Start-VmMigration $name "local:$name-to" -MaxBandwidth 100KB -AsJob
        $answer = switch ($By) {
            'name' { Stop-Migration $name }
            'number' { Stop-Migration (Get-MigrationState -Name $name).Id }
            'job' { $job | Stop-Migration }
            'record' { Get-MigrationState -Running | Where-Object { $_.Name -eq $name } | Stop-Migration }
        }
        $answer | Should -BeOfType 'PsMigrate.Engine.Model.CancelAnswer'
        $answer.Name | Should -Be $name
        $answer.Outcome | Should -Be 'Cancelled'
        $answer.State | Should -Be 'Cancelled'
        $answer.Location | Should -Be 'Source'
        $guest.State | Should -Be 'Running'
        $guest.IsBusy | Should -BeFalse
        $ticks = $guest.Ticks[0]
        $null = Wait-Until { $guest.Ticks[0] -gt $ticks }
        Get-MigrationGuest "$name*" -HostName "$name-to" | Should -BeNullOrEmpty
        (Wait-Job $job -Timeout 60).State | Should -Be 'Stopped'
    }

    It 'cancels a migration that waits before its switch-over' {
        $null = Start-VmMigration $name "local:$name-to" -PauseBeforeSwitchover -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PreSwitchover' }
        $before = $guest.Digest()
        $guest.StopAtTick($guest.Ticks[0])
        (Stop-Migration $name).Outcome | Should -Be 'Cancelled'
        $guest.State | Should -Be 'Running'
        $guest.Digest() | Should -Be $before
    }

    It 'lets a guest that was suspended stay suspended' {
        Suspend-MigrationGuest $name
        $null = Start-VmMigration $name "local:$name-to" -MaxBandwidth 100KB -AsJob
        (Stop-Migration $name).Outcome | Should -Be 'Cancelled'
        $guest.State | Should -Be 'Suspended'
    }

    It 'can be migrated again afterwards' {
        $null = Start-VmMigration $name "local:$name-to" -MaxBandwidth 100KB -AsJob
        $null = Stop-Migration $name
        (Start-VmMigration $name "local:$name-to" -Verify)[-1].Result.Verified | Should -BeTrue
    }

    It 'says that a migration had ended before' {
        $null = Start-VmMigration $name "local:$name-to"
        $answer = Stop-Migration $name -ErrorVariable failed
        $failed | Should -BeNullOrEmpty
        $answer.Outcome | Should -Be 'AlreadyEnded'
        $answer.State | Should -Be 'Completed'
        $answer.Location | Should -Be 'Destination'
        $answer.Reason | Should -BeLike '*Completed*'
    }

    It 'does not wait with -NoWait' {
        $null = Start-VmMigration $name "local:$name-to" -MaxBandwidth 100KB -AsJob
        (Stop-Migration $name -NoWait).Outcome | Should -Be 'Requested'
        (Wait-Migration $name -Timeout 60s).State | Should -Be 'Cancelled'
    }

    It 'cancels several by a pattern, and nothing that has ended' {
        New-MigrationGuest "$name-2", "$name-3" 8MB -Content Random
        $null = Start-VmMigration "$name-3" "local:$name-to"
        $null = Start-VmMigration $name, "$name-2" "local:$name-to" -MaxBandwidth 100KB -AsJob
        $answers = @(Stop-Migration "$name*")
        $answers.Name | Should -Be @($name, "$name-2")
        foreach ($answer in $answers) { $answer.Outcome | Should -Be 'Cancelled' }
        Stop-Migration "$name*" | Should -BeNullOrEmpty
    }

    It 'misses what is not known' {
        Stop-Migration "$name-x" -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].FullyQualifiedErrorId | Should -Be 'MigrationNotFound,PsMigrate.Commands.StopMigrationCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'ObjectNotFound'
    }

    It 'changes nothing with -WhatIf' {
        $null = Start-VmMigration $name "local:$name-to" -MaxBandwidth 100KB -AsJob
        Stop-Migration $name -WhatIf | Should -BeNullOrEmpty
        (Get-MigrationState -Name $name).State | Should -BeIn 'Setup', 'Active'
    }

    It 'is known by its alias' {
        (Get-Command Stop-VmMigration).ResolvedCommand.Name | Should -Be 'Stop-Migration'
    }
}

Describe 'Stop-Migration -Force' {
    BeforeEach {
        $failed = $null
        $test = Start-TestPostcopy
        $name = $test.Name
    }

    AfterEach { Stop-TestPostcopy $test }

    It 'gives a paused postcopy up, and the guest at the source runs again by force alone' {
        Suspend-Migration -Name $name
        $answer = Stop-Migration $name -Force -Confirm:$false -WarningVariable warned -WarningAction SilentlyContinue
        $answer.Outcome | Should -Be 'GivenUp'
        $answer.State | Should -Be 'Failed'
        $answer.Location | Should -Be 'Lost'
        # The receiver was told.
        $answer.Reason | Should -Not -BeLike '*may still run*'
        $warned | Should -BeNullOrEmpty
        (Get-MigrationGuest $name -HostName local).MayRunElsewhere | Should -BeFalse
        $state = Get-MigrationState -Name $name
        $state.Error.Id | Should -Be 'GuestLost'
        (Get-MigrationGuest $name -HostName local).State | Should -Be 'Lost'
        $null = Wait-Job $test.Job -Timeout 60
        $test.Job.State | Should -Be 'Failed'
        Resume-MigrationGuest $name -HostName local -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'GuestLost,*'
        Resume-MigrationGuest $name -HostName local -Force -WarningVariable warned -WarningAction SilentlyContinue
        $warned | Should -BeNullOrEmpty
        (Get-MigrationGuest $name -HostName local).State | Should -Be 'Running'
    }

    It 'asks first, and does nothing where nobody answers' {
        Suspend-Migration -Name $name
        { Stop-Migration $name -Force } | Should -Throw
        (Get-MigrationState -Name $name).State | Should -Be 'PostcopyPaused'
        Stop-Migration $name -Force -WhatIf | Should -BeNullOrEmpty
        (Get-MigrationState -Name $name).State | Should -Be 'PostcopyPaused'
    }

    It 'is needed for what is paused, and says so' {
        Suspend-Migration -Name $name
        $answer = Stop-Migration $name
        $answer.Outcome | Should -Be 'TooLate'
        $answer.Reason | Should -BeLike '*-Force*'
        (Get-MigrationState -Name $name).State | Should -Be 'PostcopyPaused'
    }

    It 'is of no effect on what is not paused' {
        $answer = Stop-Migration $name -Force -Confirm:$false
        $answer.Outcome | Should -Be 'TooLate'
        (Wait-TestPostcopy $test).State | Should -Be 'Completed'
    }
}

Describe 'Stop-Migration -Force of one whose receiver can not be told' {
    BeforeEach {
        $path = [System.IO.Path]::Combine([System.IO.Path]::GetTempPath(), "$(New-TestName).sock")
        $test = Start-TestPostcopy -At "unix:$path"
        $name = $test.Name
        Suspend-Migration -Name $name
        # Nobody can connect there any more, and the guest runs on.
        [System.IO.File]::Delete($path)
    }

    AfterEach { Stop-TestPostcopy $test }

    It 'says that the guest may still run there, and so does Resume-MigrationGuest -Force' {
        $answer = Stop-Migration $name -Force -Confirm:$false -WarningVariable warned -WarningAction SilentlyContinue
        $answer.Outcome | Should -Be 'GivenUp'
        $answer.Location | Should -Be 'Lost'
        $answer.Reason | Should -BeLike "*may still run at unix:$path, end it there first*"
        $warned | Should -HaveCount 1
        $warned[0].Message | Should -BeLike "*may still run at unix:$path*End it there first*"
        (Get-MigrationGuest $name -HostName $test.There).State | Should -Be 'Running'
        $here = Get-MigrationGuest $name -HostName local
        $here.MayRunElsewhere | Should -BeTrue
        $here | Resume-MigrationGuest -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].Exception.Message | Should -BeLike "*may still run at unix:$path*end it there first*"
        $here | Resume-MigrationGuest -Force -WarningVariable warned -WarningAction SilentlyContinue
        $warned | Should -HaveCount 1
        $warned[0].Message | Should -BeLike "*may still run at unix:$path*twice*"
        $here.State | Should -Be 'Running'
        $here.MayRunElsewhere | Should -BeFalse
    }
}

Describe 'Stop-Migration of a guest of QEMU' -Skip:(-not $qemu) {
    BeforeEach {
        $failed = $null
        $pair = Start-TestPair
        $name = $pair.Name
        $job = Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $pair.Target.Uri -MaxBandwidth 20MB -MaxDowntime 1ms -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.Iteration -gt 1 }
    }

    AfterEach { Stop-TestPair $pair }

    It 'leaves the guest where it was, by <By>' -ForEach @{ By = 'name' }, @{ By = 'job' }, @{ By = 'record' } {
        $stopped = switch ($By) {
            'name' { Stop-Migration $name }
            'job' { $job | Stop-Migration }
            'record' { Get-MigrationState -Running | Where-Object { $_.Name -eq $name } | Stop-Migration }
        }
        $stopped.Outcome | Should -Be 'Cancelled'
        $stopped.Location | Should -Be 'Source'
        (Get-MigrationGuest $name).State | Should -Be 'Running'
        Invoke-TestMonitor $pair.Source 'info status' | Should -BeLike '*VM status: running*'
    }
}
