BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'Resume-MigrationGuest' {
    BeforeEach {
        $name = New-TestName
        $failed, $warned = $null
        $guest = New-MigrationGuest $name 8MB -DirtyRate 50MB -Suspended -PassThru
    }

    AfterEach { Remove-MigrationGuest "$name*" -Force }

    It 'starts the vCPUs' {
        Resume-MigrationGuest $name | Should -BeNullOrEmpty
        $guest.State | Should -Be 'Running'
        $null = Wait-Until { $guest.Ticks[0] -gt 0 }
    }

    It 'gives the guests out with -PassThru' {
        ($guest | Resume-MigrationGuest -PassThru).State | Should -Be 'Running'
    }

    It 'leaves a running guest as it is' {
        Resume-MigrationGuest $name
        Resume-MigrationGuest $name -ErrorVariable failed
        $failed | Should -BeNullOrEmpty
    }

    It 'goes on where the guest stopped' {
        $guest.StopAtTick(200)
        Resume-MigrationGuest $name
        $null = Wait-Until { $guest.Ticks[0] -eq 200 }
        Suspend-MigrationGuest $name
        $digest = $guest.Digest()
        Resume-MigrationGuest $name
        [System.Threading.Thread]::Sleep(50)
        $guest.Digest() | Should -Be $digest
        $guest.StopAtTick($null)
        $null = Wait-Until { $guest.Ticks[0] -gt 200 }
    }

    It 'takes guests from the pipeline, and names from properties' {
        New-MigrationGuest "$name-2" 8MB -Suspended
        Get-MigrationGuest $name | Resume-MigrationGuest
        [pscustomobject]@{ VMName = "$name-2" } | Resume-MigrationGuest
        (Get-MigrationGuest "$name*").State | Should -Be @('Running', 'Running')
    }

    It 'misses a name that nobody has' {
        Resume-MigrationGuest "$name-x" -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -Be 'GuestNotFound,PsMigrate.Commands.ResumeMigrationGuestCommand'
    }

    It 'changes nothing with -WhatIf' {
        Resume-MigrationGuest $name -PassThru -WhatIf | Should -BeNullOrEmpty
        $guest.State | Should -Be 'Suspended'
    }

    Context 'of a copy that a migration left behind' {
        BeforeEach {
            Resume-MigrationGuest $name
            Start-VmMigration $name "local:$name-to" -KeepSource | Where-Object { $false }
        }

        It 'is refused' {
            $guest | Resume-MigrationGuest -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed | Should -HaveCount 1
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'GuestRunsElsewhere,*'
            $failed[0].CategoryInfo.Category | Should -Be 'InvalidOperation'
            $failed[0].Exception.Location | Should -Be 'Destination'
            $guest.State | Should -Be 'PostMigrate'
        }

        It 'is done with -Force, and a warning' {
            $guest | Resume-MigrationGuest -Force -WarningVariable warned -WarningAction SilentlyContinue
            $guest.State | Should -Be 'Running'
            $warned | Should -HaveCount 1
            "$($warned[0])" | Should -BeLike "*$name*local:$name-to*"
        }
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

        It 'lets a guest of a QEMU run' {
            $null = Invoke-TestMonitor $machine 'stop'
            (Resume-MigrationGuest $driven -PassThru).State | Should -Be 'Running'
            Invoke-TestMonitor $machine 'info status' | Should -BeLike '*running*'
        }

        It 'lets one that migrated away run with -Force only' {
            $null = Invoke-TestMonitor $machine 'migrate "exec:cat >/dev/null"'
            $null = Wait-Until { $inQemu.State -eq 'PostMigrate' }
            Resume-MigrationGuest $driven -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -Be 'GuestRunsElsewhere,PsMigrate.Commands.ResumeMigrationGuestCommand'
            $inQemu.State | Should -Be 'PostMigrate'
            Resume-MigrationGuest $driven -Force -WarningVariable warned -WarningAction SilentlyContinue
            $inQemu.State | Should -Be 'Running'
            "$warned" | Should -BeLike '*only one of the two*'
        }
    }
}
