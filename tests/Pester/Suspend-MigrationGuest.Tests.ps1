BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'Suspend-MigrationGuest' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
        $guest = New-MigrationGuest $name 8MB -DirtyRate 50MB -Content Random -PassThru
    }

    AfterEach {
        Stop-Migration "$name*" | Where-Object { $false }
        Remove-MigrationGuest "$name*" -Force
    }

    It 'stops the vCPUs' {
        $null = Wait-Until { $guest.Ticks[0] -gt 0 }
        Suspend-MigrationGuest $name | Should -BeNullOrEmpty
        $guest.State | Should -Be 'Suspended'
        $ticks, $digest = $guest.Ticks[0], $guest.Digest()
        [System.Threading.Thread]::Sleep(100)
        $guest.Ticks[0] | Should -Be $ticks
        $guest.Digest() | Should -Be $digest
    }

    It 'gives the guests out with -PassThru' {
        ($guest | Suspend-MigrationGuest -PassThru).State | Should -Be 'Suspended'
    }

    It 'leaves a suspended guest as it is' {
        Suspend-MigrationGuest $name
        Suspend-MigrationGuest $name -ErrorVariable failed
        $failed | Should -BeNullOrEmpty
        $guest.State | Should -Be 'Suspended'
    }

    It 'takes guests from the pipeline, and names from properties' {
        New-MigrationGuest "$name-2" 8MB
        Get-MigrationGuest $name | Suspend-MigrationGuest
        [pscustomobject]@{ VMName = "$name-2" } | Suspend-MigrationGuest
        (Get-MigrationGuest "$name*").State | Should -Be @('Suspended', 'Suspended')
    }

    It 'means the guest that comes down the pipeline, and none of the same name elsewhere' {
        New-MigrationGuest $name 8MB -HostName "$name-host"
        Get-MigrationGuest $name -HostName "$name-host" | Suspend-MigrationGuest
        (Get-MigrationGuest $name -HostName "$name-host").State | Should -Be 'Suspended'
        $guest.State | Should -Be 'Running'
    }

    It 'misses a name that nobody has, and goes on' {
        Suspend-MigrationGuest "$name-x", $name -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed | Should -HaveCount 1
        $failed[0].FullyQualifiedErrorId | Should -Be 'GuestNotFound,PsMigrate.Commands.SuspendMigrationGuestCommand'
        $guest.State | Should -Be 'Suspended'
    }

    It 'refuses a guest that was migrated away' {
        Start-VmMigration $name "local:$name-to" -KeepSource | Where-Object { $false }
        $guest | Suspend-MigrationGuest -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'GuestBusy,*'
        $failed[0].CategoryInfo.Category | Should -Be 'ResourceBusy'
    }

    It 'lets a guest that is suspended while it migrates arrive suspended' {
        $job = Start-VmMigration $name "local:$name-to" -MaxBandwidth 100KB -MaxDowntime 1ms -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'Active' }
        Suspend-MigrationGuest $name
        Set-Migration -Name $name -MaxBandwidth 0
        (Wait-Migration $name -Timeout 60s).State | Should -Be 'Completed'
        (Get-MigrationGuest $name -HostName "$name-to").State | Should -Be 'Suspended'
        $job | Remove-Job
    }

    It 'changes nothing with -WhatIf' {
        Suspend-MigrationGuest $name -PassThru -WhatIf | Should -BeNullOrEmpty
        $guest.State | Should -Be 'Running'
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

        It 'stops a guest of a QEMU' {
            Suspend-MigrationGuest $driven -WhatIf
            $inQemu.State | Should -Be 'Running'
            (Suspend-MigrationGuest $driven -PassThru).State | Should -Be 'Suspended'
            Invoke-TestMonitor $machine 'info status' | Should -BeLike '*paused*'
        }
    }
}
