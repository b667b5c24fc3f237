BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'Connect-MigrationGuest' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
    }

    AfterEach { Get-MigrationGuest "$name*" -Kind Qemu | Disconnect-MigrationGuest }

    Context 'with a QEMU' -Skip:(-not $qemu) {
        BeforeAll {
            $uuid = [guid]::NewGuid()
            $machine = Start-TestQemu -ArgumentList '-M', 'pc', '-m', '32M', '-S', '-uuid', "$uuid"
        }

        AfterAll { Stop-TestQemu $machine }

        It 'gives the guest of a QEMU' {
            $guest = Connect-MigrationGuest $machine.Uri -Name $name
            $guest | Should -BeOfType 'PsMigrate.Engine.Qemu.QemuGuest'
            $guest.Name | Should -Be $name
            $guest.Kind | Should -Be 'Qemu'
            $guest.Host | Should -Be 'local'
            $guest.State | Should -Be 'Suspended'
            $guest.RunState | Should -Be 'prelaunch'
            $guest.MemorySize | Should -Be 32MB
            $guest.ProcessorCount | Should -Be 1
            $guest.MachineType | Should -BeLike 'pc-i440fx-*'
            $guest.Accelerator | Should -Be 'tcg'
            $guest.Uuid | Should -Be $uuid
            "$($guest.Uri)" | Should -Be $machine.Uri
            $guest.QemuVersion | Should -BeGreaterThan ([version]'5.2')
            $guest.Capabilities.Name | Should -Contain 'xbzrle'
            Get-MigrationGuest $name | Should -Be $guest
        }

        It 'takes a number as a name where QEMU has none' {
            $guest = Connect-MigrationGuest $machine.Uri
            $guest.Name | Should -Match '^qemu-\d+$'
            $guest | Disconnect-MigrationGuest
        }

        It 'shows it on another host' {
            (Connect-MigrationGuest $machine.Uri -Name $name -HostName "$name-host").Host | Should -Be "$name-host"
        }

        It 'takes addresses and names from the pipeline' {
            ($machine.Uri | Connect-MigrationGuest -Name "$name-a").Name | Should -Be "$name-a"
            Disconnect-MigrationGuest "$name-a"
            ([pscustomobject]@{ Uri = $machine.Uri; Name = "$name-b"; HostName = "$name-host" } | Connect-MigrationGuest).Name | Should -Be "$name-b"
        }

        It 'connects a guest again whose connection was lost' {
            $other = Start-TestQemu
            try {
                $guest = Connect-MigrationGuest $other.Uri -Name $name
                $other.Process.Kill()
                $null = Wait-Until { $guest.State -eq 'Unreachable' }
                $guest.IsConnected | Should -BeFalse
                $guest.UnreachableReason | Should -BeLike "*$($other.Uri)*"
                $again = Connect-MigrationGuest $machine.Uri -Name $name
                Get-MigrationGuest $name | Should -Be $again
                $again.State | Should -Be 'Suspended'
            }
            finally { Stop-TestQemu $other }
        }

        It 'connects a guest from the pipeline, where and as it was' {
            $guest = Connect-MigrationGuest $machine.Uri -Name $name -HostName "$name-host"
            $guest | Disconnect-MigrationGuest
            $again = $guest | Connect-MigrationGuest
            $again.Name | Should -Be $name
            $again.Host | Should -Be "$name-host"
            $again.IsConnected | Should -BeTrue
        }

        It 'refuses a name that another guest has, and the guest that is connected' {
            $guest = Connect-MigrationGuest $machine.Uri -Name $name
            Connect-MigrationGuest $machine.Uri -Name $name -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
            $failed[0].FullyQualifiedErrorId | Should -Be 'DuplicateGuestName,PsMigrate.Commands.ConnectMigrationGuestCommand'
            Connect-MigrationGuest $machine.Uri -Name "$name-2" -Timeout 300ms -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'QmpTimeout,*'
            $failed[0].CategoryInfo.Category | Should -Be 'OperationTimeout'
            "$($failed[0])" | Should -BeLike '*one client*'
            $guest.State | Should -Be 'Suspended'
        }

        It 'goes on after an address that nobody is at' {
            $guests = @(Connect-MigrationGuest "unix:$($machine.Folder)/nobody", $machine.Uri -ErrorVariable failed -ErrorAction SilentlyContinue)
            $guests | Should -HaveCount 1
            $failed[0].Exception.Id | Should -Be 'ConnectionRefused'
            $failed[0].TargetObject | Should -Be "unix:$($machine.Folder)/nobody"
            $guests | Disconnect-MigrationGuest
        }

        It 'keeps what was connected when the pipeline ends early' {
            $guest = foreach ($once in 1) { $machine.Uri, 'nonsense' | Connect-MigrationGuest -Name $name -ErrorAction Stop | ForEach-Object { $_; break } }
            $guest.IsConnected | Should -BeTrue
        }

        It 'changes nothing with -WhatIf' {
            Connect-MigrationGuest $machine.Uri -Name $name -WhatIf | Should -BeNullOrEmpty
            Get-MigrationGuest "$name*" | Should -BeNullOrEmpty
        }

        It 'lets the guests go with the module, as they are' {
            $guest = Connect-MigrationGuest $machine.Uri -Name $name
            Import-Module $ModulePath -Force
            $guest.IsConnected | Should -BeFalse
            $machine.Process.HasExited | Should -BeFalse
            (Connect-MigrationGuest $machine.Uri -Name $name).State | Should -Be 'Suspended'
        }
    }

    It 'refuses <Address>' -ForEach @(
        @{ Address = 'nonsense'; Id = 'InvalidUri' }
        @{ Address = 'local:x'; Id = 'UnsupportedUri' }
        @{ Address = 'file:/tmp/x'; Id = 'UnsupportedUri' }
        @{ Address = 'tcp:127.0.0.1:1'; Id = 'ConnectionRefused' }
    ) {
        Connect-MigrationGuest $Address -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed | Should -HaveCount 1
        $failed[0].Exception.Id | Should -Be $Id
    }

    It 'refuses what can not be' {
        { Connect-MigrationGuest tcp:127.0.0.1:1, tcp:127.0.0.1:2 -Name $name } | Should -Throw -ErrorId 'InvalidParameter,*'
        { Connect-MigrationGuest tcp:127.0.0.1:1 -Name 'a*' -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidGuestName,*'
        { Connect-MigrationGuest tcp:127.0.0.1:1 -HostName 'a*' -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidGuestName,*'
        { Connect-MigrationGuest tcp:127.0.0.1:1 -Timeout 0 -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,*'
    }

    It 'refuses what is no QMP, and one that says nothing' {
        $listener = [System.Net.Sockets.TcpListener]::new([ipaddress]::Loopback, 0)
        $listener.Start()
        try {
            $address = "tcp:127.0.0.1:$($listener.LocalEndpoint.Port)"
            Connect-MigrationGuest $address -Timeout 300ms -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].Exception.Id | Should -Be 'QmpTimeout'
            $null = $listener.AcceptSocket()
            $run = Start-InRunspace { param($address) Connect-MigrationGuest $address -ErrorAction Stop } -ArgumentList $address
            $client = $listener.AcceptSocket()
            $null = $client.Send([System.Text.Encoding]::ASCII.GetBytes("SSH-2.0-server`r`n"))
            { Wait-InRunspace $run } | Should -Throw '*does not speak QMP*'
            $client.Dispose()
        }
        finally { $listener.Stop() }
    }

    It 'ends at once with Ctrl+C' {
        $listener = [System.Net.Sockets.TcpListener]::new([ipaddress]::Loopback, 0)
        $listener.Start()
        try {
            $output = Invoke-WithStop { param($address) Connect-MigrationGuest $address -Timeout 1h } -ArgumentList "tcp:127.0.0.1:$($listener.LocalEndpoint.Port)" -Until { $listener.Pending() }
            $output | Should -BeNullOrEmpty
        }
        finally { $listener.Stop() }
    }

    It 'completes addresses' {
        $line = 'Connect-MigrationGuest u'
        [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches.CompletionText | Should -Contain 'unix:'
    }
}
