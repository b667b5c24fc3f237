BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'Remove-MigrationGuest' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
        $running = New-MigrationGuest "$name-run" 8MB -DirtyRate 5MB -PassThru
        $suspended = New-MigrationGuest "$name-stand" 8MB -Suspended -PassThru
    }

    AfterEach {
        Stop-Migration "$name*" | Where-Object { $false }
        Remove-MigrationGuest "$name*" -Force
    }

    It 'removes a guest that is suspended' {
        Remove-MigrationGuest $suspended.Name | Should -BeNullOrEmpty
        $suspended.State | Should -Be 'Removed'
        Get-MigrationGuest "$name*" | Should -HaveCount 1
    }

    It 'removes a guest that runs with -Force' {
        Remove-MigrationGuest $running.Name -Force
        $running.State | Should -Be 'Removed'
    }

    It 'removes a guest that runs with -Confirm:$false' {
        Remove-MigrationGuest $running.Name -Confirm:$false
        $running.State | Should -Be 'Removed'
    }

    It 'asks about a guest that runs, and leaves it where nobody can answer' {
        # The other runspace has no host to ask; some hosts say so with an error, and some just answer no.
        $run = Start-InRunspace { param($name) try { Remove-MigrationGuest $name } catch { } } -ArgumentList $running.Name
        Wait-InRunspace $run | Should -BeNullOrEmpty
        $running.State | Should -Be 'Running'
    }

    It 'takes guests from the pipeline' {
        Get-MigrationGuest "$name*" | Remove-MigrationGuest -Force
        Get-MigrationGuest "$name*" | Should -BeNullOrEmpty
    }

    It 'takes names from properties' {
        [pscustomobject]@{ Name = "$name-stand" } | Remove-MigrationGuest
        $suspended.State | Should -Be 'Removed'
    }

    It 'removes on one host only' {
        New-MigrationGuest "$name-stand" 8MB -Suspended -HostName "$name-host"
        Remove-MigrationGuest "$name-stand" -HostName "$name-host"
        (Get-MigrationGuest "$name-stand").Host | Should -Be 'local'
    }

    It 'misses a name that nobody has' {
        Remove-MigrationGuest "$name-x" -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -Be 'GuestNotFound,PsMigrate.Commands.RemoveMigrationGuestCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'ObjectNotFound'
    }

    It 'leaves a guest that is being migrated' {
        $job = Start-VmMigration $running.Name "local:$name-to" -MaxBandwidth 100KB -PauseBeforeSwitchover -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $running.Name).State -in 'Active', 'PreSwitchover' }
        Remove-MigrationGuest $running.Name -Force -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'GuestBusy,*'
        $failed[0].CategoryInfo.Category | Should -Be 'ResourceBusy'
        $running.State | Should -Not -Be 'Removed'
        $job | Remove-Job -Force
        $running.State | Should -Be 'Running'
    }

    It 'says so when the guest is gone already' {
        Remove-MigrationGuest $suspended.Name
        { $suspended.Digest() } | Should -Throw '*has been removed*'
        { $suspended | Remove-MigrationGuest -ErrorAction Stop } | Should -Not -Throw
    }

    It 'changes nothing with -WhatIf' {
        Remove-MigrationGuest "$name*" -Force -WhatIf
        @(Get-MigrationGuest "$name*") | Should -HaveCount 2
        $running.State | Should -Be 'Running'
    }

    Context 'with a QEMU' -Skip:(-not $qemu) {
        BeforeAll {
            $driven = New-TestName 'driven'
            $machine = Start-TestQemu
            $inQemu = Connect-MigrationGuest $machine.Uri -Name $driven
        }

        AfterAll {
            Get-MigrationGuest $driven | Disconnect-MigrationGuest
            Stop-TestQemu $machine
        }

        It 'refuses a guest of a QEMU, which lives on' {
            Remove-MigrationGuest $driven -Force -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -Be 'UnsupportedByGuest,PsMigrate.Commands.RemoveMigrationGuestCommand'
            $inQemu.State | Should -Be 'Running'
            Get-MigrationGuest $driven | Should -HaveCount 1
        }
    }
}
