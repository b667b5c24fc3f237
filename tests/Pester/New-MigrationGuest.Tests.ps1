BeforeAll {
    . $PSScriptRoot/common.ps1
}

Describe 'New-MigrationGuest' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
    }

    AfterEach { Remove-MigrationGuest "$name*" -Force }

    It 'makes a guest that runs' {
        New-MigrationGuest $name 16MB -DirtyRate 20MB | Should -BeNullOrEmpty
        $guest = Get-MigrationGuest $name
        $guest.State | Should -Be 'Running'
        $null = Wait-Until { $guest.Ticks[0] -gt 10 }
        $guest.Host | Should -Be 'local'
    }

    It 'gives it out with -PassThru' {
        $guest = New-MigrationGuest $name 16MB -PassThru
        $guest | Should -BeOfType 'PsMigrate.Engine.Guests.Guest'
        $guest.Name | Should -Be $name
        $guest.MemorySize | Should -Be 16MB
        $guest.ProcessorCount | Should -Be 1
        $guest.Workload | Should -Be 'Idle'
    }

    It 'keeps to what was asked for' {
        $guest = New-MigrationGuest -Name $name -MemorySize 16MB -ProcessorCount 3 -Workload HotSpot -DirtyRate 12MB -WorkingSet 12MB -WriteSize 64 `
            -Content Text -ContentSize 8MB -Seed 9 -HostName "$name-host" -PassThru
        $guest.ProcessorCount | Should -Be 3
        $guest.Workload | Should -Be 'HotSpot'
        $guest.DirtyRate | Should -Be 12MB
        $guest.WorkingSet | Should -Be 12MB
        $guest.Host | Should -Be "$name-host"
        @($guest.Ticks) | Should -HaveCount 3
    }

    It 'leaves it suspended with -Suspended' {
        $guest = New-MigrationGuest $name 16MB -DirtyRate 20MB -Suspended -PassThru
        $guest.State | Should -Be 'Suspended'
        $guest.Ticks[0] | Should -Be 0
    }

    It 'makes a guest that writes of one with -<Parameter>' -ForEach @{ Parameter = 'DirtyRate' }, @{ Parameter = 'WorkingSet' }, @{ Parameter = 'WriteSize' } {
        $values = @{ DirtyRate = 1MB; WorkingSet = 1MB; WriteSize = 8 }
        $arguments = @{ $Parameter = $values[$Parameter] }
        (New-MigrationGuest $name 16MB @arguments -PassThru).Workload | Should -Be 'Random'
    }

    It 'reads a size of "<Text>" as <Bytes> bytes' -ForEach @{ Text = '16 MB'; Bytes = 16777216 }, @{ Text = '16MiB'; Bytes = 16777216 }, @{ Text = '16384KB'; Bytes = 16777216 } {
        (New-MigrationGuest $name $Text -PassThru).MemorySize | Should -Be $Bytes
    }

    It 'reads a rate of "<Text>" as <Bytes> bytes a second' -ForEach @{ Text = '2MB/s'; Bytes = 2097152 }, @{ Text = '32768000bit/s'; Bytes = 4096000 },
    @{ Text = '8Mbit/s'; Bytes = 1000000 } {
        (New-MigrationGuest $name 16MB -DirtyRate $Text -PassThru).DirtyRate | Should -Be $Bytes
    }

    It 'makes several guests that are alike' {
        $guests = New-MigrationGuest "$name-a", "$name-b" 16MB -PassThru
        $guests | Should -HaveCount 2
        $guests.Name | Should -Be @("$name-a", "$name-b")
    }

    It 'takes the properties of what comes down the pipeline' {
        $guests = [pscustomobject]@{ Name = "$name-1"; MemorySize = 8MB; ProcessorCount = 2; DirtyRate = '3MB/s' },
        [pscustomobject]@{ VMName = "$name-2"; MemoryStartupBytes = 16MB } | New-MigrationGuest -PassThru
        $guests | Should -HaveCount 2
        $guests[0].ProcessorCount | Should -Be 2
        $guests[0].DirtyRate | Should -Be 3MB
        $guests[1].Name | Should -Be "$name-2"
        $guests[1].MemorySize | Should -Be 16MB
    }

    It 'makes the same memory of the same seed at the same tick' {
        $guests = New-MigrationGuest "$name-a", "$name-b" 16MB -Workload Random -DirtyRate 100MB -Content Mixed -Seed 5 -Suspended -PassThru
        $other = New-MigrationGuest "$name-c" 16MB -Workload Random -DirtyRate 100MB -Content Mixed -Seed 6 -Suspended -PassThru
        foreach ($guest in $guests) { $guest.StopAtTick(500) }
        $guests | Resume-MigrationGuest
        foreach ($guest in $guests) { $null = Wait-Until { $guest.Ticks[0] -eq 500 } }
        $guests[0].Digest() | Should -Be $guests[1].Digest()
        $other.Digest() | Should -Not -Be $guests[0].Digest()
    }

    It 'refuses <What>' -ForEach @(
        @{ What = 'no memory'; Arguments = @{ MemorySize = 0 }; Id = 'InvalidSize' }
        @{ What = 'a negative size'; Arguments = @{ MemorySize = -4096 }; Id = 'InvalidSize' }
        @{ What = 'a size that is no multiple of a page'; Arguments = @{ MemorySize = 10000 }; Id = 'InvalidSize' }
        @{ What = 'more memory than there is'; Arguments = @{ MemorySize = 15TB }; Id = 'MemoryExceeded'; Category = 'LimitsExceeded' }
        @{ What = 'a working set beyond the memory'; Arguments = @{ WorkingSet = 32MB }; Id = 'InvalidSize' }
        @{ What = 'content beyond the memory'; Arguments = @{ ContentSize = 32MB }; Id = 'InvalidSize' }
        @{ What = 'no vCPU'; Arguments = @{ ProcessorCount = 0 }; Id = 'InvalidParameter' }
        @{ What = 'too many vCPUs'; Arguments = @{ ProcessorCount = 65 }; Id = 'InvalidParameter' }
        @{ What = 'more vCPUs than pages'; Arguments = @{ ProcessorCount = 4; WorkingSet = 8KB }; Id = 'InvalidParameter' }
        @{ What = 'a negative rate'; Arguments = @{ DirtyRate = -1 }; Id = 'InvalidParameter' }
        @{ What = 'a write of seven bytes'; Arguments = @{ WriteSize = 7 }; Id = 'InvalidParameter' }
        @{ What = 'an idle guest that writes'; Arguments = @{ Workload = 'Idle'; DirtyRate = 1MB }; Id = 'InvalidParameter' }
        @{ What = 'a wildcard in the name'; Suffix = '*'; Arguments = @{}; Id = 'InvalidGuestName' }
        @{ What = 'too long a name'; Suffix = 'x' * 64; Arguments = @{}; Id = 'InvalidGuestName' }
        @{ What = 'a bad host'; Arguments = @{ HostName = 'a?b' }; Id = 'InvalidGuestName' }
    ) {
        $all = @{ Name = "$name$Suffix"; MemorySize = 16MB }
        foreach ($key in $Arguments.Keys) { $all[$key] = $Arguments[$key] }
        New-MigrationGuest @all -PassThru -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed | Should -HaveCount 1
        $failed[0].FullyQualifiedErrorId | Should -Be "$Id,PsMigrate.Commands.NewMigrationGuestCommand"
        $failed[0].CategoryInfo.Category | Should -Be ($Category ? $Category : 'InvalidArgument')
        $failed[0].Exception.Side | Should -Be 'User'
        $failed[0].ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        Get-MigrationGuest "$name*" | Should -BeNullOrEmpty
    }

    It 'refuses what is no size' {
        { New-MigrationGuest $name 'a lot' } | Should -Throw "*'a lot' is not a size*"
        { New-MigrationGuest $name 16MB/s } | Should -Throw
    }

    It 'refuses a name that is taken and goes on with the next' {
        $first = New-MigrationGuest $name 16MB -PassThru
        $made = New-MigrationGuest $name, "$name-2" 8MB -PassThru -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed | Should -HaveCount 1
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'DuplicateGuestName,*'
        $failed[0].CategoryInfo.Category | Should -Be 'ResourceExists'
        $failed[0].TargetObject | Should -Be $name
        $made.Name | Should -Be "$name-2"
        (Get-MigrationGuest $name).Uuid | Should -Be $first.Uuid
    }

    It 'takes the same name on another host' {
        New-MigrationGuest $name 16MB
        New-MigrationGuest $name 16MB -HostName "$name-host"
        @(Get-MigrationGuest $name) | Should -HaveCount 2
    }

    It 'changes nothing with -WhatIf' {
        New-MigrationGuest $name 16MB -PassThru -WhatIf | Should -BeNullOrEmpty
        Get-MigrationGuest "$name*" | Should -BeNullOrEmpty
    }

    It 'completes workloads and hosts' {
        $line = 'New-MigrationGuest x 1GB -Workload Ho'
        [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches.CompletionText | Should -Be 'HotSpot'
        New-MigrationGuest $name 16MB -HostName "$name-host"
        $line = "New-MigrationGuest x 1GB -HostName $name"
        [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches.CompletionText | Should -Be "$name-host"
    }
}
