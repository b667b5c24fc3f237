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

    It 'gives another policy, which begins anew, and takes it back' {
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.Iteration -gt 1 }
        Set-Migration -Name $name -Policy (New-MigrationPolicy slow @{ Then = 'Throttle to 60 %'; At = 'AnyTime' })
        $null = Wait-Until { $guest.ThrottlePercent -eq 60 }
        Set-Migration -Name $name -MaxThrottle 25
        $null = Wait-Until { $guest.ThrottlePercent -eq 25 }
        (Set-Migration -Name $name -Policy qemu -PassThru).Parameters.Policy.Name | Should -Be 'Qemu'
        $null = Wait-Until { $guest.ThrottlePercent -eq 0 }
        $told = @((Get-MigrationState -Name $name).Decisions | Where-Object Reason -Like 'Set-Migration*')
        $told.What | Should -Be @('Policy', 'MaxThrottle', 'Policy')
        $told.To | Should -Be @('slow', '25 %', 'Qemu')
        $told[1].From | Should -Be '99 %'
    }

    It 'changes what auto-converge goes by' {
        $null = Stop-Migration $name
        $again = Start-VmMigration $name "local:$name-to" -MaxBandwidth 40MB -MaxDowntime 1ms -Means Qemu -AutoConverge -ThrottleInitial 20 -MaxThrottle 20 -AsJob
        $null = Wait-Until { $guest.ThrottlePercent -eq 20 }
        $parameters = (Set-Migration -Name $name -MaxThrottle 70 -ThrottleIncrement 50 -ThrottleTrigger 10 -ThrottleTailslow:$false -VcpuDirtyLimit 2MB -PassThru)[-1].Parameters
        $parameters.ThrottleIncrement | Should -Be 50
        $parameters.ThrottleTrigger | Should -Be 10
        $parameters.VcpuDirtyLimit | Should -Be 2MB
        $null = Wait-Until { $guest.ThrottlePercent -eq 70 }
    }

    It 'offers policies' {
        $line = 'Set-Migration 1 -Policy D'
        ([System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches).CompletionText | Should -Contain 'DowntimeRamp'
    }

    It 'gives a migration a time, counted from its start' {
        Set-Migration -Name $name -Timeout 10ms
        $state = Wait-Migration $name -Timeout 60s
        $state.State | Should -Be 'Failed'
        $state.Error.Id | Should -Be 'Timeout'
        $guest.State | Should -Be 'Running'
    }

    It 'changes what is done when the time is over, with the time or after it' {
        Set-Migration -Name $name -OnTimeout SwitchOver -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -Be 'InvalidParameter,PsMigrate.Commands.SetMigrationCommand'
        $failed[0].Exception.Message | Should -BeLike '*OnTimeout needs Timeout*'
        (Set-Migration -Name $name -Timeout 1h -OnTimeout SwitchOver -PassThru).Parameters.OnTimeout | Should -Be 'SwitchOver'
        (Set-Migration -Name $name -OnTimeout Cancel -PassThru).Parameters.OnTimeout | Should -Be 'Cancel'
        Set-Migration -Name $name -OnTimeout SwitchOver
        Set-Migration -Name $name -Timeout 10ms
        (Wait-Migration $name -Timeout 60s).State | Should -Be 'Completed'
        $told = @((Get-MigrationState -Name $name).Decisions | Where-Object What -EQ OnTimeout)
        $told.To | Should -Be @('SwitchOver', 'Cancel', 'SwitchOver')
    }

    It 'offers what can be done when the time is over' {
        $line = 'Set-Migration 1 -OnTimeout '
        ([System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches).CompletionText |
            Should -Be @('Cancel', 'Postcopy', 'SwitchOver')
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
        @{ What = 'a throttle of 100 %'; Arguments = @{ MaxThrottle = 100 } }
        @{ What = 'a first step of 0'; Arguments = @{ ThrottleInitial = 0 } }
        @{ What = 'a first step above the most'; Arguments = @{ ThrottleInitial = 50; MaxThrottle = 40 } }
        @{ What = 'less than 1 MB/s for a vCPU'; Arguments = @{ VcpuDirtyLimit = 1KB } }
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

    It 'gives another policy, which begins anew' {
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.Iteration -gt 1 }
        Set-Migration -Name $name -Policy (New-MigrationPolicy low @{ When = 'Pass >= 3'; Then = 'SwitchOver' } -StartDowntime 0.0001) -MaxDowntime 1m
        (Wait-Migration $name -Timeout 60s).State | Should -Be 'Completed'
        $decisions = (Get-MigrationState -Name $name).Decisions
        ($decisions | Where-Object Reason -Like 'Set-Migration*').What | Should -Be @('MaxDowntime', 'Policy')
        # QEMU may look at the log once more before it ends, which is a pass too.
        $decided = @($decisions | Where-Object Policy -EQ low)
        $decided[0].What | Should -Be 'DowntimeLimit'
        $decided[1].What | Should -Be 'Switch over'
    }

    It 'refuses auto-converge while it runs, and nothing has changed' {
        Set-Migration -Name $name -Policy AutoConverge -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'UnsupportedByGuest,*'
        (Get-MigrationState -Name $name).Parameters.Policy | Should -BeNullOrEmpty
    }

    It 'switches over when the time is over, and goes over only where that was said before' {
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.Iteration -gt 1 }
        Set-Migration -Name $name -Timeout 1h -OnTimeout Postcopy -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidState,*'
        (Get-MigrationState -Name $name).Parameters.Timeout | Should -BeNullOrEmpty
        Set-Migration -Name $name -Timeout 10ms -OnTimeout SwitchOver
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
