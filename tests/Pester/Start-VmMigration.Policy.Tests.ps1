BeforeAll {
    . $PSScriptRoot/common.ps1
}

Describe 'Start-VmMigration -Policy' {
    BeforeEach {
        $failed = $null
        $name = New-TestName
        # It writes 2 MB again and again as fast as it can: over 8 MB/s each pass leaves all of them, a quarter of a second.
        $null = New-MigrationGuest $name 8MB -ProcessorCount 2 -Workload Sequential -WorkingSet 2MB -DirtyRate 0 -PassThru
        $link = @{ Destination = "local:$name-there"; MaxBandwidth = 8MB; Means = 'Qemu' }
    }

    AfterEach {
        Stop-Migration "$name*" | Where-Object { $false }
        Get-Job | Where-Object { $_ -is [PsMigrate.Jobs.MigrationJob] } | Remove-Job -Force
        Remove-MigrationGuest "$name*" -Force
    }

    It 'takes a policy by name: <_>' -ForEach 'Qemu', 'Adaptive', 'StallAware', 'downtimeramp' {
        $last = Start-VmMigration $name @link -MaxDowntime 700ms -Policy $_ -Verify | Where-Object IsFinal
        $last.Result.State | Should -Be 'Completed'
        $last.Result.Verified | Should -BeTrue
        $last.DowntimeLimit | Should -Not -BeGreaterThan $last.MaxDowntime
        (Get-MigrationState -Name $name).Decisions | Where-Object IsObserved | Should -BeNullOrEmpty
    }

    It 'takes one of New-MigrationPolicy, and tells each decision with its reason' {
        $policy = New-MigrationPolicy mine @{ When = 'Pass >= 2'; Then = 'DowntimeLimit to 700 ms'; Because = 'Two are enough.' } -StartDowntime 0.1
        $last = Start-VmMigration $name @link -MaxDowntime 700ms -Policy $policy -Verify | Where-Object IsFinal
        $last.Result.Verified | Should -BeTrue
        $decisions = @((Get-MigrationState -Name $name).Decisions | Where-Object Policy -EQ mine)
        $decisions.To | Should -Be @('70 ms', '700 ms')
        $decisions[1].Reason | Should -Be 'Two are enough. (Pass 2 (>= 2))'
    }

    It 'slows the guest down, no further than -MaxThrottle, and lets it go at the end' {
        $policy = New-MigrationPolicy slow @{ Then = 'Throttle by 50 %'; At = 'AnyTime' }
        $null = Start-VmMigration $name @link -MaxDowntime 1ms -Policy $policy -MaxThrottle 60 -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.ThrottlePercent -eq 60 }
        (Get-MigrationGuest $name).ThrottlePercent | Should -Be 60
        $null = Wait-Until { ((Get-MigrationGuest $name).ThrottledTime | Where-Object { $_.Ticks -eq 0 }).Count -eq 0 }
        (Stop-Migration $name).Outcome | Should -Be 'Cancelled'
        (Get-MigrationGuest $name).ThrottlePercent | Should -Be 0
        $result = (Get-MigrationState -Name $name).Result
        $result.ThrottledTime.Count | Should -Be 2
        $result.ThrottledTime | Where-Object { $_.Ticks -eq 0 } | Should -BeNullOrEmpty
        (Read-View '//View[ViewSelectedBy/TypeName="PsMigrate.Engine.Model.MigrationResult"]//ListItem' $result) -join "`n" | Should -BeLike '*vCPU 0 *vCPU 1 *'
    }

    It 'does nothing with -ObserveOnly, and tells it all the same' {
        $policy = New-MigrationPolicy slow @{ Then = 'Throttle to 50 %'; At = 'AnyTime' }
        $null = Start-VmMigration $name @link -MaxDowntime 1ms -Policy $policy -ObserveOnly -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).Decisions | Where-Object IsObserved }
        (Get-MigrationGuest $name).ThrottlePercent | Should -Be 0
        (Read-View '//View[ViewSelectedBy/TypeName="PsMigrate.Engine.Model.MigrationState"]//ListItem[Label="Decisions"]' (Get-MigrationState -Name $name)) -join "`n" | Should -BeLike '*observed only*'
        (Stop-Migration $name).Outcome | Should -Be 'Cancelled'
    }

    It 'has auto-converge of QEMU for guests of this process' {
        $null = Start-VmMigration $name @link -MaxDowntime 1ms -AutoConverge -ThrottleInitial 33 -ThrottleIncrement 11 -ThrottleTrigger 40 -ThrottleTailslow -MaxThrottle 50 -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.ThrottlePercent -ge 33 }
        $state = Get-MigrationState -Name $name
        ($state.Decisions | Where-Object What -EQ Throttle)[0].To | Should -Be '33 %'
        (Stop-Migration $name).Outcome | Should -Be 'Cancelled'
    }

    It 'is Adaptive by default, which slows nothing down without leave' {
        $null = Start-VmMigration $name @link -MaxDowntime 1ms -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.Iteration -gt 6 }
        $state = Get-MigrationState -Name $name
        $state.Decisions | Where-Object Policy | Should -BeNullOrEmpty
        $state.Current.ThrottlePercent | Should -Be 0
        (Stop-Migration $name).Outcome | Should -Be 'Cancelled'
    }

    It 'goes on for a little where that makes the stop shorter, and says so; not with -Policy Qemu' -ForEach @(
        @{ Asked = @{}; Expected = 'DowntimeLimit', 'DowntimeLimit' }
        @{ Asked = @{ Policy = 'Qemu' }; Expected = $null }
    ) {
        # 6 to 10 MB of it are left when they fit, and nothing is written.
        $null = New-MigrationGuest "$name-quiet" 128MB -Workload Idle -Content Random
        $last = Start-VmMigration "$name-quiet" $link.Destination -Means Qemu -MaxBandwidth 32MB -MaxDowntime 300ms -Verify @Asked | Where-Object IsFinal
        $last.Result.Verified | Should -BeTrue
        $decisions = @((Get-MigrationState -Name "$name-quiet").Decisions | Where-Object Policy)
        @($decisions).What | Should -Be $Expected
        if ($Expected) {
            $decisions[0].Reason | Should -BeLike '*would stand for about*% of the time that it would take*'
            $decisions[0].From, $decisions[1].To | Should -Be '300 ms', '300 ms'
        }
    }

    It 'goes over by itself with -Postcopy where passes bring nothing, and says why' {
        $last = Start-VmMigration $name @link -MaxDowntime 20ms -Postcopy -WarningAction SilentlyContinue | Where-Object IsFinal
        $last.Result.State | Should -Be 'Completed'
        $decisions = @((Get-MigrationState -Name $name).Decisions | Where-Object Policy -EQ Adaptive)
        $decisions.What | Should -Be 'Go over'
        $decisions[0].Reason | Should -BeLike '*does not get less*may not be slowed down*'
    }

    It 'tells with -ObserveOnly what it would do' {
        $null = Start-VmMigration $name @link -MaxDowntime 20ms -MaxThrottle 90 -Postcopy -ObserveOnly -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).Decisions | Where-Object IsObserved }
        $state = Get-MigrationState -Name $name
        @($state.Decisions | Where-Object IsObserved)[0].Policy | Should -Be 'Adaptive'
        $state.State | Should -Be 'Active'
        (Get-MigrationGuest $name).ThrottlePercent | Should -Be 0
        (Stop-Migration $name).Outcome | Should -Be 'Cancelled'
    }

    It 'acts as -OnTimeout says: <On>' -ForEach @(
        @{ On = 'SwitchOver'; Ends = 'Completed' }
        @{ On = 'Postcopy'; Ends = 'Completed' }
        @{ On = 'Cancel'; Ends = 'Failed' }
    ) {
        $last = Start-VmMigration $name @link -MaxDowntime 1ms -Timeout 1.5 -OnTimeout $On -ErrorVariable failed -ErrorAction SilentlyContinue -WarningAction SilentlyContinue |
            Where-Object IsFinal
        $state = Get-MigrationState -Name $name
        $state.State | Should -Be $Ends
        if ($On -eq 'Cancel') { $failed[0].FullyQualifiedErrorId | Should -BeLike 'Timeout,*' }
        else { ($state.Decisions.Reason -join ' ') | Should -BeLike "*-OnTimeout $On*" }
    }

    It 'changes nothing with -WhatIf' {
        Start-VmMigration $name local:x -MaxThrottle 40 -WhatIf | Should -BeNullOrEmpty
        Start-VmMigration $name local:x -Policy AutoConverge -MaxThrottle 40 -Timeout 5m -OnTimeout SwitchOver -WhatIf | Should -BeNullOrEmpty
        (Get-MigrationGuest $name).IsBusy | Should -BeFalse
    }

    It 'refuses what can not be' {
        { Start-VmMigration $name @link -Policy Magic } | Should -Throw '*no built-in policy*Magic*StallAware*'
        { Start-VmMigration $name @link -Policy Qemu -ObserveOnly } | Should -Throw '*ObserveOnly needs a Policy*'
        { Start-VmMigration $name @link -OnTimeout SwitchOver } | Should -Throw '*OnTimeout needs Timeout*'
        { Start-VmMigration $name @link -AutoConverge -MaxThrottle 100 } | Should -Throw '*MaxThrottle*0*99*'
        { Start-VmMigration $name @link -Policy DirtyLimit -VcpuDirtyLimit 1KB } | Should -Throw '*VcpuDirtyLimit*'
        (Get-MigrationGuest $name).IsBusy | Should -BeFalse
    }

    It 'offers policies' {
        $line = 'Start-VmMigration x local: -Policy Ad'
        ([System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches).CompletionText | Should -Be 'Adaptive'
        $line = 'Start-VmMigration x local: -Policy S'
        ([System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches).CompletionText | Should -Be 'StallAware'
    }
}
