BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1

    function Get-Answered {
        # What was decided by -OnIteration, in its order.
        param([string] $Name)
        @((Get-MigrationState -Name $Name)[-1].Decisions | Where-Object Policy -EQ OnIteration)
    }
}

Describe 'Start-VmMigration -OnIteration' {
    BeforeEach {
        $failed = $null
        $warned = $null
        $name = New-TestName
        # It writes 2 MB again and again as fast as it can: over 8 MB/s each pass leaves all of them, a quarter of a second.
        $null = New-MigrationGuest $name 8MB -ProcessorCount 2 -Workload Sequential -WorkingSet 2MB -DirtyRate 0 -PassThru
        $link = @{ Destination = "local:$name-there"; MaxBandwidth = 8MB; Means = 'Qemu'; OnIterationTimeout = '1m' }
        # It never ends within that.
        $endless = $link + @{ MaxDowntime = '1ms'; Policy = 'Qemu' }
    }

    AfterEach {
        Stop-Migration "$name*" | Where-Object { $false }
        Remove-MigrationGuest "$name*" -Force
    }

    It 'is called on the pipeline''s thread for each pass but the last, with the pass as argument and $_ and with the state' {
        $seen = [System.Collections.Generic.List[object]]::new()
        $here = [Environment]::CurrentManagedThreadId
        $passes = @(Start-VmMigration $name @endless -OnIteration {
                param($iteration, $state)
                $seen.Add([pscustomobject]@{
                        Iteration = $iteration; Same = [object]::ReferenceEquals($iteration, $_); State = $state
                        Thread = [Environment]::CurrentManagedThreadId
                    })
                if ($iteration.Iteration -ge 3) { 'DowntimeLimit to 1 ms', 'Cancel' }
            } -WarningAction SilentlyContinue)
        $passes[-1].State | Should -Be 'Cancelled'
        $seen.Count | Should -BeGreaterOrEqual 1
        # Where the machine is busy one can be left out; the last has 3 or more.
        for ($at = 1; $at -lt $seen.Count; $at++) { $seen[$at].Iteration.Iteration | Should -BeGreaterThan $seen[$at - 1].Iteration.Iteration }
        $seen | Where-Object { $_.Thread -ne $here -or -not $_.Same } | Should -BeNullOrEmpty
        $seen.Iteration | Where-Object IsFinal | Should -BeNullOrEmpty
        $seen[0].State | Should -BeOfType 'PsMigrate.Engine.Model.MigrationState'
        $seen[0].State.Name | Should -Be $name
        (Get-MigrationGuest $name).IsBusy | Should -BeFalse
    }

    It 'knows the pass as $_ and $args[0]' {
        $seen = [System.Collections.Generic.List[object]]::new()
        $null = Start-VmMigration $name @endless -OnIteration { $seen.Add($_.Iteration); $seen.Add($args[0].Iteration); 'Cancel' } -WarningAction SilentlyContinue
        $seen[0] | Should -BeGreaterOrEqual 1
        $seen[1] | Should -Be $seen[0]
    }

    It 'answers in the words of policies or with their actions, and each decision is told' {
        $calls = [System.Collections.Generic.List[int]]::new()
        $last = Start-VmMigration $name @link -MaxDowntime 700ms -Policy (New-MigrationPolicy low -StartDowntime 0.01) -Verify -OnIteration {
            $calls.Add($_.Iteration)
            if ($calls.Count -eq 2) {
                'Bandwidth to 6 MB/s'
                [PsMigrate.Engine.Model.PolicyAction]::Parse('Throttle to 30 %')
                'DowntimeLimit to 700 ms'
            }
        } | Where-Object IsFinal
        $last.Result.Verified | Should -BeTrue
        $decided = Get-Answered $name
        $decided.What | Should -Be @('Bandwidth', 'Throttle', 'DowntimeLimit')
        $decided.To | Should -Be @('6 MB/s', '30 %', '700 ms')
        $decided[0].Reason | Should -Be "The answer to pass $($calls[1])."
        ((Get-MigrationState -Name $name)[-1].Decisions | Where-Object What -EQ DowntimeLimit).Policy | Should -Be @('low', 'OnIteration')
    }

    It 'switches over at the end of the pass, although the policy has a lower limit' {
        $last = Start-VmMigration $name @link -MaxDowntime 1m -Policy (New-MigrationPolicy low -StartDowntime 0.0001) -Verify -OnIteration {
            if ($_.Iteration -ge 3) { 'SwitchOver' }
        } | Where-Object IsFinal
        $last.Result.Verified | Should -BeTrue
        (Get-Answered $name)[0].To | Should -Be 'at the end of this pass'
    }

    It 'can do no more than is allowed' {
        $calls = [System.Collections.Generic.List[int]]::new()
        $null = Start-VmMigration $name @endless -MaxThrottle 40 -OnIteration {
            $calls.Add($_.Iteration)
            switch ($calls.Count) {
                1 { 'Throttle to 90 %' }
                2 { 'DowntimeLimit to 10 s', 'Bandwidth to 1 GB/s', 'SwitchToPostcopy', 'AutoConverge' }
                default { 'Cancel' }
            }
        } -WarningAction SilentlyContinue
        $decided = Get-Answered $name
        $decided[0].To | Should -Be '40 %'
        $decided.What | Should -Be @('Throttle', 'Go over', 'AutoConverge', 'Cancel')
        $decided[1].Reason | Should -BeLike '*not allowed*'
        $decided[2].To | Should -Be 'refused'
        ((Get-MigrationState -Name $name)[-1].Iterations.DowntimeLimit | Where-Object { $_.TotalMilliseconds -gt 1 }) | Should -BeNullOrEmpty
        (Get-MigrationGuest $name).ThrottlePercent | Should -Be 0
    }

    It 'goes over to postcopy where that is allowed' {
        $last = Start-VmMigration $name @endless -Postcopy -OnIteration { if ($_.Iteration -ge 2) { 'SwitchToPostcopy' } } -WarningAction SilentlyContinue | Where-Object IsFinal
        $last.State | Should -Be 'Completed'
        ((Get-MigrationState -Name $name)[-1].Decisions | Where-Object What -EQ Mode).Reason | Should -BeLike '*-OnIteration: The answer to pass *'
    }

    It 'is observed only with -ObserveOnly' {
        $calls = [System.Collections.Generic.List[int]]::new()
        $null = Start-VmMigration $name @endless -ObserveOnly -OnIteration {
            $calls.Add($_.Iteration)
            if ($calls.Count -eq 1) { 'Throttle to 50 %', 'Cancel' }
            if ($calls.Count -eq 4) { $null = Stop-Migration $name }
        } -WarningAction SilentlyContinue
        $state = (Get-MigrationState -Name $name)[-1]
        $decided = Get-Answered $name
        $decided.What | Should -Be @('Throttle', 'Cancel')
        $decided | Where-Object { -not $_.IsObserved } | Should -BeNullOrEmpty
        @($state.Iterations).Count | Should -BeGreaterOrEqual 4
        $state.Iterations | Where-Object ThrottlePercent -NE 0 | Should -BeNullOrEmpty
    }

    It 'warns of a script that <What>, and goes on' -ForEach @(
        @{ What = 'throws'; Script = { throw 'No idea.' }; Text = '*No idea.*OnIterationFailed*' }
        @{ What = 'calls what is not there'; Script = { Get-Nonsense }; Text = '*Get-Nonsense*OnIterationFailed*' }
        @{ What = 'knows no such action'; Script = { 'Explode' }; Text = '*no action Explode*OnIterationFailed*' }
        @{ What = 'lets something slip'; Script = { 'Cancel'; 7 }; Text = "*not with '7' (Int32)*OnIterationFailed*" }
        @{ What = 'asks for what can not be'; Script = { 'Throttle to 200 %' }; Text = '*0 to 99*OnIterationFailed*' }
    ) {
        $calls = [System.Collections.Generic.List[int]]::new()
        $last = Start-VmMigration $name @endless -OnIteration {
            $calls.Add($_.Iteration)
            if ($calls.Count -le 3) { & $Script } else { Set-Migration $_.Id -MaxDowntime 10s -ErrorAction SilentlyContinue }
        } -WarningVariable warned -WarningAction SilentlyContinue | Where-Object IsFinal
        $last.State | Should -Be 'Completed'
        @($warned -like $Text).Count | Should -Be 1
        $told = @((Get-MigrationState -Name $name)[-1].Decisions | Where-Object Error)
        $told.Count | Should -Be 1
        $told[0].Error | Should -Be 'OnIterationFailed'
    }

    It 'does not wait for a script: a late answer counts for nothing' {
        $link.Remove('OnIterationTimeout')
        $late = [System.Collections.Generic.List[bool]]::new()
        $last = Start-VmMigration $name @link -MaxDowntime 1ms -Policy Qemu -OnIterationTimeout 100ms -OnIteration {
            if ($late.Count -gt 0) {
                Set-Migration $_.Id -MaxDowntime 10s -ErrorAction SilentlyContinue
                return
            }
            # The trail says so while the script still thinks.
            $null = Wait-Until { (Get-MigrationState -Name $name)[-1].Decisions | Where-Object Error -EQ OnIterationLate }
            $late.Add($true)
            'Cancel'
        } -WarningVariable warned -WarningAction SilentlyContinue | Where-Object IsFinal
        $last.State | Should -Be 'Completed'
        @($warned -like '*no answer in time*OnIterationLate*').Count | Should -BeGreaterOrEqual 1
        (Get-Answered $name).What | Should -Not -Contain 'Cancel'
    }

    It 'has its answers heeded where it is slower than passes' {
        $calls = [System.Collections.Generic.List[int]]::new()
        $null = Start-VmMigration $name @endless -OnIteration {
            $calls.Add($_.Iteration)
            # Two further passes end meanwhile. It may be called once more until it is cancelled, and then there are none.
            $until = $_.Iteration + 3
            $null = Wait-Until { (Get-MigrationState -Name $name)[-1] | Where-Object { $_.Result -or $_.Current.Iteration -ge $until } }
            if ($calls.Count -ge 4) { 'Cancel' } else { "Throttle to $($calls.Count) %" }
        } -WarningAction SilentlyContinue
        for ($at = 1; $at -lt $calls.Count; $at++) { $calls[$at] - $calls[$at - 1] | Should -BeGreaterOrEqual 2 }
        $decided = Get-Answered $name
        ($decided | Where-Object What -EQ Throttle).To | Should -Be @('1 %', '2 %', '3 %')
        $left = @($decided | Where-Object To -EQ 'left out')
        $left.Count | Should -Be 1
        $left[0].IsWarning | Should -BeFalse
    }

    It 'acts after the policy, on the same levers' {
        $endless.Policy = New-MigrationPolicy slow @{ Then = 'Throttle to 20 %'; Once = $true }
        $calls = [System.Collections.Generic.List[int]]::new()
        $null = Start-VmMigration $name @endless -OnIteration {
            $calls.Add($_.Iteration)
            if ($calls.Count -eq 2) { 'Throttle by 15 %' }
            if ($calls.Count -ge 3) { 'Cancel' }
        } -WarningAction SilentlyContinue
        $throttles = @((Get-MigrationState -Name $name)[-1].Decisions | Where-Object What -EQ Throttle)
        $throttles.To | Should -Be @('20 %', '35 %')
        $throttles.Policy | Should -Be @('slow', 'OnIteration')
    }

    It 'shows what the script writes to the error stream, and takes the answer' {
        $run = Start-InRunspace {
            param($name, $link)
            Start-VmMigration $name @link -OnIteration { Get-MigrationGuest 'no-such-guest'; 'Cancel' } -WarningAction SilentlyContinue
        } -ArgumentList $name, $endless
        $null = Wait-Until { $run.Running.IsCompleted }
        $errors = @($run.Errors)
        $null = Wait-InRunspace $run
        $errors[0].FullyQualifiedErrorId | Should -BeLike 'GuestNotFound,*'
        (Get-Answered $name)[0].What | Should -Be 'Cancel'
    }

    It 'is asked about each of several guests' {
        $second = "$name-second"
        $null = New-MigrationGuest $second 8MB -ProcessorCount 2 -Workload Sequential -WorkingSet 2MB -DirtyRate 0 -PassThru
        $null = Start-VmMigration $name, $second @endless -OnIteration { if ($_.Iteration -ge 2) { 'Cancel' } } -WarningAction SilentlyContinue
        foreach ($one in $name, $second) {
            (Get-MigrationState -Name $one)[-1].State | Should -Be 'Cancelled'
            (Get-Answered $one)[0].What | Should -Be 'Cancel'
        }
    }

    It 'takes a guest from the pipeline' {
        $last = Get-MigrationGuest $name | Start-VmMigration @endless -OnIteration { 'Cancel' } -WarningAction SilentlyContinue | Where-Object IsFinal
        $last.State | Should -Be 'Cancelled'
    }

    It 'ends with a break in the script, and the guest stays' {
        foreach ($once in 1) { Start-VmMigration $name @endless -OnIteration { if ($_.Iteration -ge 2) { break } } | Where-Object { $false } }
        $state = (Get-MigrationState -Name $name)[-1]
        $state.State | Should -Be 'Cancelled'
        (Get-MigrationGuest $name).State | Should -Be 'Running'
        (Get-MigrationGuest $name).IsBusy | Should -BeFalse
    }

    It 'ends with a throw further down' {
        { Start-VmMigration $name @endless -OnIteration { 'Throttle to 10 %' } | ForEach-Object { if ($_.Iteration -ge 2) { throw 'Enough.' } } } | Should -Throw 'Enough.'
        (Get-MigrationState -Name $name)[-1].State | Should -Be 'Cancelled'
        (Get-MigrationGuest $name).ThrottlePercent | Should -Be 0
    }

    It 'is ended by Ctrl+C while the script runs, and the guest stays' {
        $entered = [System.Threading.ManualResetEventSlim]::new()
        $null = Invoke-WithStop {
            param($name, $link, $entered)
            Start-VmMigration $name @link -OnIteration { $entered.Set(); while ($true) { } }
        } -ArgumentList $name, $endless, $entered -Until { $entered.IsSet }
        (Get-MigrationState -Name $name)[-1].State | Should -Be 'Cancelled'
        (Get-MigrationGuest $name).State | Should -Be 'Running'
        (Get-MigrationGuest $name).IsBusy | Should -BeFalse
    }

    It 'refuses what can not be' {
        { Start-VmMigration $name @endless -OnIteration { } -AsJob } | Should -Throw '*pipeline*-AsJob*' -ErrorId 'InvalidParameter,PsMigrate.Commands.StartVmMigrationCommand'
        { Start-VmMigration $name local:x -OnIterationTimeout 1s } | Should -Throw '*-OnIterationTimeout needs -OnIteration*'
        { Start-VmMigration $name local:x -OnIteration { } -OnIterationTimeout 0 } | Should -Throw '*OnIterationTimeout must be longer than 0*'
        { Start-VmMigration $name local:x -OnIteration $null } | Should -Throw
        (Get-MigrationGuest $name).IsBusy | Should -BeFalse
    }

    It 'is told by -WhatIf and not called' {
        $called = [System.Collections.Generic.List[bool]]::new()
        Start-VmMigration $name local:x -OnIteration { $called.Add($true) } -WhatIf | Should -BeNullOrEmpty
        $called.Count | Should -Be 0
    }
}

Describe 'Start-VmMigration -OnIteration of a guest of QEMU' -Skip:(-not $qemu) {
    BeforeEach {
        $pair = Start-TestPair
        $name = $pair.Name
        $link = @{ Destination = 'tcp:127.0.0.1:0'; DestinationQmp = $pair.Target.Uri; MaxBandwidth = 20MB; OnIterationTimeout = '1m' }
    }

    AfterEach { Stop-TestPair $pair }

    It 'lets the guest stand longer, as far as is allowed' {
        $last = Start-VmMigration $name @link -MaxDowntime 1m -Policy (New-MigrationPolicy low -StartDowntime 0.0001) -OnIteration {
            if ($_.Iteration -ge 2) { 'DowntimeLimit to 1 h' }
        } | Where-Object IsFinal
        $last.State | Should -Be 'Completed'
        $decided = Get-Answered $name
        $decided[0].From | Should -Be '6 ms'
        $decided[0].To | Should -Be '60000 ms'
        Invoke-TestMonitor $pair.Target 'info status' | Should -BeLike '*VM status: running*'
    }

    It 'cancels, and can not throttle without leave' {
        $null = Start-VmMigration $name @link -MaxDowntime 1ms -OnIteration { 'Throttle to 50 %'; if ($_.Iteration -ge 2) { 'Cancel' } } -WarningAction SilentlyContinue
        (Get-MigrationState -Name $name)[-1].State | Should -Be 'Cancelled'
        $decided = Get-Answered $name
        $decided[0].To | Should -Be 'refused'
        $decided[0].Reason | Should -BeLike '*-MaxThrottle*'
        Wait-TestStatus $pair.Source '*VM status: running*'
    }
}

Describe 'Start-VmMigration -Policy of a guest of QEMU' -Skip:(-not $qemu) {
    BeforeEach {
        $pair = Start-TestPair
        $name = $pair.Name
        $link = @{ Destination = 'tcp:127.0.0.1:0'; DestinationQmp = $pair.Target.Uri; MaxBandwidth = 20MB }
    }

    AfterEach { Stop-TestPair $pair }

    It 'ends what would not end: <_>' -ForEach 'StallAware', 'DowntimeRamp' {
        $last = Start-VmMigration $name @link -MaxDowntime 4s -Policy $_ | Where-Object IsFinal
        $last.State | Should -Be 'Completed'
        $decisions = @((Get-MigrationState -Name $name)[-1].Decisions | Where-Object Policy -EQ $_)
        $decisions[0].What | Should -Be 'DowntimeLimit'
        Invoke-TestMonitor $pair.Target 'info status' | Should -BeLike '*VM status: running*'
    }

    It 'observes only, and QEMU has the limits of the user' {
        $limits = $null
        $null = Start-VmMigration $name @link -MaxDowntime 1s -Policy DowntimeRamp -ObserveOnly | ForEach-Object {
            # Of two looks at the log within one answer only the last is a record.
            if (-not $limits) { $limits = Invoke-TestMonitor $pair.Source 'info migrate_parameters' }
            if (@((Get-MigrationState -Name $name)[-1].Decisions | Where-Object Policy -EQ DowntimeRamp).Count -ge 2) { Stop-Migration $name | Where-Object { $false } }
        }
        $limits | Should -BeLike '*downtime-limit: 1000 ms*'
        $decisions = @((Get-MigrationState -Name $name)[-1].Decisions | Where-Object Policy -EQ DowntimeRamp)
        $decisions.Count | Should -BeGreaterOrEqual 2
        $decisions | Where-Object { -not $_.IsObserved } | Should -BeNullOrEmpty
    }

    It 'slows the guest down' {
        $policy = New-MigrationPolicy slow @{ Then = 'Throttle to 50 %' }
        $null = Start-VmMigration $name @link -MaxDowntime 1ms -Policy $policy -MaxThrottle 35 -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).Current.ThrottlePercent -eq 35 }
        (Stop-Migration $name).Outcome | Should -Be 'Cancelled'
        Invoke-TestMonitor $pair.Source 'info migrate_parameters' | Should -BeLike '*max-cpu-throttle: 99*'
    }

    It 'refuses what excludes each other before anything is changed' {
        $policy = New-MigrationPolicy slow @{ Then = 'Throttle to 50 %' }
        Start-VmMigration $name @link -Policy $policy -AutoConverge -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'UnsupportedByGuest,*'
        $failed[0].Exception.Message | Should -BeLike '*auto-converge alone*policy slow*'
        (Get-MigrationGuest $name).IsBusy | Should -BeFalse
    }
}
