BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'Set-Migration' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
        $guest = New-MigrationGuest $name 16MB -Workload Random -DirtyRate 400MB -Content Random -PassThru
        # Every page is dirty again before a pass is over.
        $job = Start-VmMigration $name "local:$name-to" -MaxBandwidth 40MB -MaxDowntime 1ms -Means Qemu -AsJob
    }

    AfterEach {
        Stop-Migration "$name*" | Where-Object { $false }
        Get-Job | Where-Object { $_ -is [PsMigrate.Jobs.MigrationJob] } | Remove-Job -Force
        Remove-MigrationGuest "$name*" -Force
    }

    It 'lets a migration end that would not have, by <By>' -ForEach @{ By = 'name' }, @{ By = 'number' }, @{ By = 'job' }, @{ By = 'record' } {
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.Iteration -gt 1 }
        switch ($By) {
            'name' { Set-Migration -Name $name -MaxDowntime 2s | Should -BeNullOrEmpty }
            'number' { Set-Migration (Get-MigrationState -Name $name).Id -MaxDowntime 2s }
            'job' { $job | Set-Migration -MaxDowntime 2s }
            'record' { Get-MigrationState -Running | Where-Object { $_.Name -eq $name } | Set-Migration -MaxDowntime 2s }
        }
        (Wait-Migration $name -Timeout 60s).State | Should -Be 'Completed'
        (Get-MigrationGuest $name).Host | Should -Be "$name-to"
    }

    It 'changes what is named, and nothing else' {
        $state = Set-Migration -Name $name -MaxBandwidth 80Mbit/s -Timeout 10m -PassThru
        $state | Should -BeOfType 'PsMigrate.Engine.Model.MigrationState'
        $state.Parameters.MaxBandwidth | Should -Be 10000000
        $state.Parameters.Timeout.TotalMinutes | Should -Be 10
        $state.Parameters.MaxDowntime.TotalMilliseconds | Should -Be 1
        (Set-Migration -Name $name -MaxDowntime 5 -PassThru).Parameters.MaxDowntime.TotalMilliseconds | Should -Be 5
    }

    It 'gives the cache for differences another size' {
        (Set-Migration -Name $name -XbzrleCacheSize 1MB -PassThru).Parameters.XbzrleCacheSize | Should -Be 1MB
        # There are none yet; the next to be asked for has it.
        Stop-Migration $name | Where-Object { $false }
        $again = Start-VmMigration $name "local:$name-to" -Xbzrle -XbzrleCacheSize 1MB -Means Qemu -MaxBandwidth 40MB -MaxDowntime 1ms -AsJob
        Set-Migration -Name $name -XbzrleCacheSize 4MB
        $null = Wait-Until { @(Get-MigrationState -Name $name)[-1].Current.Xbzrle.CacheSize -eq 4MB }
    }

    It 'binds the bandwidth from the next window on' {
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.Iteration -gt 1 }
        Set-Migration -Name $name -MaxBandwidth 5MB
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.Bandwidth -lt 10MB }
        Set-Migration -Name $name -MaxBandwidth 0
        # Without a limit it may be over before a window has shown it.
        $null = Wait-Until { Get-MigrationState -Name $name | Where-Object { $_.Current.Bandwidth -gt 60MB -or $_.State -eq 'Completed' } }
    }

    It 'gives a migration a time, counted from its start' {
        Set-Migration -Name $name -Timeout 10ms
        $state = Wait-Migration $name -Timeout 60s
        $state.State | Should -Be 'Failed'
        $state.Error.Id | Should -Be 'Timeout'
        $guest.State | Should -Be 'Running'
    }

    It 'can be called for a pass, while it comes down the pipeline' {
        $null = Stop-Migration $name
        $last = Start-VmMigration $name "local:$name-to" -MaxBandwidth 40MB -MaxDowntime 1ms -Means Qemu | ForEach-Object {
            if ($_.Iteration -eq 2) { $_ | Set-Migration -MaxDowntime 2s }
            if ($_.IsFinal) { $_ }
        }
        $last.State | Should -Be 'Completed'
        $last.MaxDowntime.TotalSeconds | Should -Be 2
    }

    It 'refuses <What>, and nothing has changed' -ForEach @(
        @{ What = 'a downtime of 0'; Arguments = @{ MaxDowntime = 0 } }
        @{ What = 'a downtime beyond 2000 s'; Arguments = @{ MaxDowntime = '1h' } }
        @{ What = 'a negative bandwidth'; Arguments = @{ MaxBandwidth = -1 } }
        @{ What = 'a negative time'; Arguments = @{ Timeout = '-5s' } }
        @{ What = 'a cache of 3 MB'; Arguments = @{ XbzrleCacheSize = 3MB } }
    ) {
        Set-Migration -Name $name @Arguments -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed | Should -HaveCount 1
        $failed[0].FullyQualifiedErrorId | Should -Be 'InvalidParameter,PsMigrate.Commands.SetMigrationCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'InvalidArgument'
        $parameters = (Get-MigrationState -Name $name).Parameters
        $parameters.MaxBandwidth | Should -Be 40MB
        $parameters.MaxDowntime.TotalMilliseconds | Should -Be 1
        $parameters.Timeout | Should -BeNullOrEmpty
    }

    It 'wants something to change' {
        { Set-Migration -Name $name } | Should -Throw -ErrorId 'InvalidParameter,PsMigrate.Commands.SetMigrationCommand'
    }

    It 'is too late for a migration that has ended' {
        $null = Stop-Migration $name
        Set-Migration -Name $name -MaxDowntime 1s -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidState,*'
        $failed[0].CategoryInfo.Category | Should -Be 'InvalidOperation'
    }

    It 'misses what is not known' {
        Set-Migration -Name "$name-x" -MaxDowntime 1s -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'MigrationNotFound,*'
    }

    It 'changes nothing with -WhatIf' {
        Set-Migration -Name $name -MaxDowntime 2s -PassThru -WhatIf | Should -BeNullOrEmpty
        (Get-MigrationState -Name $name).Parameters.MaxDowntime.TotalMilliseconds | Should -Be 1
    }
}

Describe 'Set-Migration of a guest of QEMU' -Skip:(-not $qemu) {
    BeforeEach {
        $failed = $null
        $pair = Start-TestPair
        $name = $pair.Name
        $job = Start-VmMigration $name tcp:127.0.0.1:0 -DestinationQmp $pair.Target.Uri -MaxBandwidth 20MB -MaxDowntime 1ms -AsJob
    }

    AfterEach { Stop-TestPair $pair }

    It 'lets a migration end that would not have, by <By>' -ForEach @{ By = 'name' }, @{ By = 'job' }, @{ By = 'record' } {
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.Iteration -gt 1 }
        switch ($By) {
            'name' { Set-Migration -Name $name -MaxDowntime 2s -MaxBandwidth 0 | Should -BeNullOrEmpty }
            'job' { $job | Set-Migration -MaxDowntime 2s -MaxBandwidth 0 }
            'record' { Get-MigrationState -Running | Where-Object { $_.Name -eq $name } | Set-Migration -MaxDowntime 2s -MaxBandwidth 0 }
        }
        (Wait-Migration $name -Timeout 60s).State | Should -Be 'Completed'
        Invoke-TestMonitor $pair.Target 'info status' | Should -BeLike '*VM status: running*'
    }

    It 'is QEMU''s own limit' {
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.Iteration -gt 1 }
        (Set-Migration -Name $name -MaxBandwidth 5MB -PassThru).Parameters.MaxBandwidth | Should -Be 5MB
        Invoke-TestMonitor $pair.Source 'info migrate_parameters' | Should -BeLike '*max-bandwidth: 5242880 *'
        Set-Migration -Name $name -XbzrleCacheSize 32MB
        Invoke-TestMonitor $pair.Source 'info migrate_parameters' | Should -BeLike '*xbzrle-cache-size: 33554432 *'
    }
}
