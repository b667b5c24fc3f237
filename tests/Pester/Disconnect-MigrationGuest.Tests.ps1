BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'Disconnect-MigrationGuest' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
    }

    Context 'with a QEMU' -Skip:(-not $qemu) {
        BeforeAll { $machine = Start-TestQemu }

        AfterAll { Stop-TestQemu $machine }

        BeforeEach { $guest = Connect-MigrationGuest $machine.Uri -Name $name }

        AfterEach { Get-MigrationGuest "$name*" | Disconnect-MigrationGuest }

        It 'lets a guest go as it is' {
            Disconnect-MigrationGuest $name | Should -BeNullOrEmpty
            Get-MigrationGuest "$name*" | Should -BeNullOrEmpty
            $guest.State | Should -Be 'Unreachable'
            $machine.Process.HasExited | Should -BeFalse
            # The socket is free for the next.
            (Connect-MigrationGuest $machine.Uri -Name $name).State | Should -Be 'Running'
        }

        It 'takes guests and names from the pipeline' {
            $guest | Disconnect-MigrationGuest
            $again = Connect-MigrationGuest $machine.Uri -Name $name
            [pscustomobject]@{ Name = $name } | Disconnect-MigrationGuest
            $again.IsConnected | Should -BeFalse
        }

        It 'says nothing the second time' {
            $guest | Disconnect-MigrationGuest
            $guest | Disconnect-MigrationGuest -ErrorVariable failed
            $failed | Should -BeNullOrEmpty
        }

        It 'changes nothing with -WhatIf' {
            Disconnect-MigrationGuest $name -WhatIf
            $guest.IsConnected | Should -BeTrue
        }
    }

    It 'refuses a guest in memory' {
        $inMemory = New-MigrationGuest $name 8MB -PassThru
        Disconnect-MigrationGuest $name -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -Be 'UnsupportedByGuest,PsMigrate.Commands.DisconnectMigrationGuestCommand'
        $inMemory.State | Should -Be 'Running'
        Remove-MigrationGuest $name -Force
    }

    It 'misses a name that nobody has' {
        Disconnect-MigrationGuest $name -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'GuestNotFound,*'
    }
}
