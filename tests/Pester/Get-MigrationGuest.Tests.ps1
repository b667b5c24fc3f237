BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'Get-MigrationGuest' {
    BeforeAll {
        $name = New-TestName
        New-MigrationGuest "$name-a", "$name-b" 8MB -DirtyRate 5MB
        New-MigrationGuest "$name-c" 8MB -HostName "$name-host" -Suspended
    }

    AfterAll { Remove-MigrationGuest "$name*" -Force }

    BeforeEach { $failed = $null }

    It 'gets a guest by its name' {
        $guest = Get-MigrationGuest "$name-a"
        $guest | Should -HaveCount 1
        $guest.Name | Should -Be "$name-a"
        $guest | Should -BeOfType 'PsMigrate.Engine.Guests.Guest'
    }

    It 'takes no account of upper and lower case' {
        (Get-MigrationGuest "$name-A".ToUpperInvariant()).Name | Should -Be "$name-a"
    }

    It 'gets guests by a pattern, by name' {
        (Get-MigrationGuest "$name-*").Name | Should -Be @("$name-a", "$name-b", "$name-c")
        (Get-MigrationGuest "$name-[ab]").Name | Should -Be @("$name-a", "$name-b")
    }

    It 'gets all without a name' {
        @(Get-MigrationGuest | Where-Object { $_.Name -like "$name*" }) | Should -HaveCount 3
    }

    It 'gets each guest once' {
        @(Get-MigrationGuest "$name-a", "$name-*", "$name-a") | Should -HaveCount 3
    }

    It 'looks on one host only' {
        (Get-MigrationGuest "$name*" -HostName "$name-h*").Name | Should -Be "$name-c"
        (Get-MigrationGuest "$name*" -HostName local).Name | Should -Be @("$name-a", "$name-b")
    }

    It 'gives nothing for a pattern that fits nobody' {
        Get-MigrationGuest "$name-x*" -ErrorVariable failed | Should -BeNullOrEmpty
        $failed | Should -BeNullOrEmpty
    }

    It 'misses a name that nobody has, and goes on' {
        (Get-MigrationGuest "$name-x", "$name-a" -ErrorVariable failed -ErrorAction SilentlyContinue).Name | Should -Be "$name-a"
        $failed | Should -HaveCount 1
        $failed[0].FullyQualifiedErrorId | Should -Be 'GuestNotFound,PsMigrate.Commands.GetMigrationGuestCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'ObjectNotFound'
        $failed[0].TargetObject | Should -Be "$name-x"
    }

    It 'misses a guest that is on another host' {
        Get-MigrationGuest "$name-c" -HostName local -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].Exception.Id | Should -Be 'GuestNotFound'
    }

    It 'takes names from properties' {
        ([pscustomobject]@{ Name = "$name-a" }, [pscustomobject]@{ VMName = "$name-b" } | Get-MigrationGuest).Name | Should -Be @("$name-a", "$name-b")
    }

    It 'gives guests that stay up to date' {
        $guest = Get-MigrationGuest "$name-a"
        $before = $guest.Ticks[0]
        $null = Wait-Until { $guest.Ticks[0] -gt $before }
        Suspend-MigrationGuest "$name-a"
        $guest.State | Should -Be 'Suspended'
        Resume-MigrationGuest "$name-a"
        $guest.State | Should -Be 'Running'
    }

    It 'gives guests that every runspace knows' {
        Wait-InRunspace (Start-InRunspace { param($name) (Get-MigrationGuest $name).State } -ArgumentList "$name-c") | Should -Be 'Suspended'
    }

    It 'completes names, with what the guests do' {
        $line = "Get-MigrationGuest $name"
        $found = [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches
        $found.CompletionText | Should -Be @("$name-a", "$name-b", "$name-c")
        $found[2].ToolTip | Should -BeLike "Suspended, 8 MB, 1 vCPU*$name-host*"
    }

    It 'completes names on the host that is named' {
        $line = "Get-MigrationGuest -HostName $name-host -Name $name"
        [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches.CompletionText | Should -Be "$name-c"
    }

    It 'gets guests of one kind' {
        (Get-MigrationGuest "$name*" -Kind InMemory).Name | Should -Be @("$name-a", "$name-b", "$name-c")
        Get-MigrationGuest "$name*" -Kind Captured -ErrorVariable failed | Should -BeNullOrEmpty
        $failed | Should -BeNullOrEmpty
    }

    It 'completes kinds' {
        $line = 'Get-MigrationGuest -Kind '
        $found = [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches.CompletionText
        $found | Should -Contain 'Qemu'
        $found | Should -HaveCount 3
    }

    Context 'with a QEMU' -Skip:(-not $qemu) {
        BeforeAll {
            $machine = Start-TestQemu -ArgumentList '-M', 'pc', '-m', '32M', '-object', 'memory-backend-ram,id=peer,size=1M,share=on', '-device', 'ivshmem-plain,memdev=peer'
            $guest = Connect-MigrationGuest $machine.Uri -Name "$name-d"
        }

        AfterAll {
            Get-MigrationGuest "$name-d" | Disconnect-MigrationGuest
            Stop-TestQemu $machine
        }

        It 'gets guests of QEMUs only' {
            (Get-MigrationGuest "$name*" -Kind Qemu).Name | Should -Be "$name-d"
            (Get-MigrationGuest "$name*" -Kind Qemu, InMemory) | Should -HaveCount 4
        }

        It 'shows kind and machine in the table' {
            $path = "//View[Name='Guest']//TableColumnItem"
            Read-View $path $guest | Should -Be @("$name-d", 'Qemu', 'local', 'Running', '32', '1', $guest.MachineType, '', '')
            Read-View $path (Get-MigrationGuest "$name-a") | Should -Be @("$name-a", 'InMemory', 'local', 'Running', '8', '1', 'none', 'Random, 5 MB/s', '')
            Read-View $path (Get-MigrationGuest "$name-c") | Should -Be @("$name-c", 'InMemory', "$name-host", 'Suspended', '8', '1', 'none', 'Idle', '')
        }

        It 'shows what QEMU says in the list' {
            $shown = Read-View "//View[Name='Guest']//ListEntry[EntrySelectedBy]//ListItem" $guest
            $shown | Should -Contain 'tcg'
            $shown | Should -Contain $machine.Uri
            @($shown | Where-Object { $_ -like "$($guest.QemuVersion)*" }) | Should -HaveCount 1
            @($shown | Where-Object { $_ -like '*xbzrle, *' }) | Should -HaveCount 1
            @($shown | Where-Object { $_ -like '*ivshmem*' }) | Should -HaveCount 1
        }

        It 'follows what others do to the guest' {
            $null = Invoke-TestMonitor $machine 'stop'
            (Get-MigrationGuest "$name-d").State | Should -Be 'Suspended'
            $null = Invoke-TestMonitor $machine 'cont'
            (Get-MigrationGuest "$name-d").State | Should -Be 'Running'
        }
    }
}
