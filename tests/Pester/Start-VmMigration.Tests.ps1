BeforeAll {
    . $PSScriptRoot/common.ps1

    function New-Writer($Name, $Size = 16MB, $Rate = 20MB) {
        # Random content, so that nothing is sent as a zero page and a limit on bandwidth tells.
        New-MigrationGuest $Name $Size -ProcessorCount 2 -Workload Random -DirtyRate $Rate -Content Random -PassThru
    }
}

Describe 'Start-VmMigration' {
    BeforeEach {
        $name = New-TestName
        $to = "$name-to"
        $failed, $warned, $job = $null
    }

    AfterEach {
        Stop-Migration "$name*" | Where-Object { $false }
        Get-Job | Where-Object { $_ -is [PsMigrate.Jobs.MigrationJob] } | Remove-Job -Force
        Remove-MigrationGuest "$name*" -Force
    }

    Context 'in the foreground' {
        It 'moves a running guest, with proof that every byte arrived' {
            $guest = New-Writer $name
            $null = Wait-Until { $guest.Ticks[0] -gt 0 }
            $passes = @(Start-VmMigration $name "local:$to" -Verify)
            $passes | Should -BeOfType 'PsMigrate.Engine.Model.MigrationIteration'
            $result = $passes[-1].Result
            $result.State | Should -Be 'Completed'
            $result.Location | Should -Be 'Destination'
            $result.Verified | Should -BeTrue
            $result.SourceDigest | Should -Be $result.DestinationDigest
            $result.SourceDigest | Should -Match '^[0-9a-f]{32}$'
            $moved = Get-MigrationGuest $name
            $moved.Host | Should -Be $to
            $moved.State | Should -Be 'Running'
            $moved.Uuid | Should -Be $guest.Uuid
            $moved.MigrationCount | Should -Be 1
            $moved.Ticks[0] | Should -Not -BeLessThan $guest.Ticks[0]
        }

        It 'moves a suspended guest, which arrives suspended with the same memory' {
            $guest = New-Writer $name | Suspend-MigrationGuest -PassThru
            $digest, $ticks = $guest.Digest(), ($guest.Ticks -join ' ')
            $null = Start-VmMigration $name "local:$to"
            $moved = Get-MigrationGuest $name
            $moved.State | Should -Be 'Suspended'
            $moved.Digest() | Should -Be $digest
            $moved.Ticks -join ' ' | Should -Be $ticks
        }

        It 'gives the same memory at the same tick, whether migrated or not' {
            $moving, $staying = "$name-a", "$name-b" | ForEach-Object {
                New-MigrationGuest $_ 16MB -Workload HotSpot -DirtyRate 8MB -Content Mixed -Seed 4 -Suspended -PassThru
            }
            foreach ($guest in $moving, $staying) { $guest.StopAtTick(4000); $guest | Resume-MigrationGuest }
            foreach ($destination in "local:$to", 'local:', "local:$to") {
                (Start-VmMigration $moving.Name $destination)[-1].Result.State | Should -Be 'Completed'
                # The tick to stop at is the test's, and not part of the guest.
                (Get-MigrationGuest $moving.Name).StopAtTick(4000)
            }
            $moved = Get-MigrationGuest $moving.Name
            if ($moved.Ticks[0] -gt 4000) { Set-ItResult -Skipped -Because 'the guest ran past the tick before the test could stop it' }
            $null = Wait-Until { $moved.Ticks[0] -ge 4000 -and $staying.Ticks[0] -ge 4000 }
            $moved.Digest() | Should -Be $staying.Digest()
        }

        It 'moves a guest over <Kind>' -ForEach @{ Kind = 'tcp' }, @{ Kind = 'unix' } {
            $guest = New-Writer $name
            $uri = if ($Kind -eq 'tcp') { 'tcp:127.0.0.1:0' } else { "unix:$([System.IO.Path]::GetTempPath())$name.sock" }
            $receiver = Start-MigrationReceiver $uri -HostName $to
            try {
                $result = (Start-VmMigration $name $receiver -Verify)[-1].Result
                $result.State | Should -Be 'Completed'
                $result.Verified | Should -BeTrue
                (Get-MigrationGuest $name).Host | Should -Be $to
                $guest.State | Should -Be 'Removed'
            }
            finally { $receiver | Stop-MigrationReceiver }
        }

        It 'writes each pass as it happens' {
            # It does not end before it is told to: every page is dirty again before a pass is over.
            New-Writer $name 16MB 400MB | Where-Object { $false }
            $seen = @{}
            Start-VmMigration $name "local:$to" -MaxBandwidth 40MB -MaxDowntime 1ms -Means Qemu | ForEach-Object {
                $seen[$_.Iteration] = (Get-MigrationState $_.Id).State
                if ($_.Iteration -eq 2) { $_ | Set-Migration -MaxDowntime 2s }
            }
            $seen.Count | Should -BeGreaterThan 1
            $seen[1] | Should -Be 'Active'
            $seen[$seen.Count] | Should -Be 'Completed'
        }

        It 'counts passes from one, and marks the last' {
            New-Writer $name | Where-Object { $false }
            $passes = @(Start-VmMigration $name "local:$to" -MaxBandwidth 40MB -MaxDowntime 50ms)
            $passes.Iteration | Should -Be @(1..$passes.Count)
            @($passes | Where-Object { $_.IsFinal }) | Should -HaveCount 1
            $passes[-1].IsFinal | Should -BeTrue
            @($passes | Where-Object { $_.Result }) | Should -HaveCount 1
            foreach ($pass in $passes) {
                $pass.Name | Should -Be $name
                $pass.TotalBytes | Should -Be 16MB
                $pass.Qemu.DirtySyncCount | Should -Not -BeLessThan $pass.Iteration
            }
            # Every pass has its own part of what was sent.
            $sum = 0
            foreach ($pass in $passes) { $sum += $pass.Pages }
            $last = $passes[-1]
            $whole = if ($last.Xbzrle) { $last.Xbzrle.Overflow } else { 0 }
            $sum | Should -Be ($last.NormalPages + $last.ZeroPages + $last.SparsePages + $last.XbzrlePages - $whole)
        }

        It 'tells the downtime by its parts' {
            New-Writer $name | Where-Object { $false }
            $last = (Start-VmMigration $name "local:$to" -Verify)[-1]
            $last.Downtime | Should -BeGreaterThan ([timespan]::Zero)
            $parts = $last.DowntimeParts
            $parts.Total | Should -Be $last.Downtime
            $parts.Verify | Should -BeGreaterThan ([timespan]::Zero)
            $parts.Stop + $parts.FinalRam + $parts.State + $parts.Verify + $parts.Handover + $parts.Resume + $parts.Waiting | Should -Be $parts.Total
        }

        It 'keeps to -MaxBandwidth' {
            New-Writer $name | Where-Object { $false }
            $last = (Start-VmMigration $name "local:$to" -MaxBandwidth 32MB -MaxDowntime 50ms)[-1]
            # 16 MB at 32 MB/s take half a second.
            $last.TotalTime.TotalSeconds | Should -BeGreaterThan 0.3
            $last.Bandwidth / 1MB | Should -BeLessThan 48
        }

        It 'takes a downtime as <Given>' -ForEach @{ Given = '70ms' }, @{ Given = 70 }, @{ Given = [timespan]::FromMilliseconds(70) }, @{ Given = '0.07s' } {
            New-Writer $name | Where-Object { $false }
            (Start-VmMigration $name "local:$to" -MaxDowntime $Given)[-1].MaxDowntime.TotalMilliseconds | Should -Be 70
        }

        It 'sends differences of pages with -Xbzrle' {
            New-MigrationGuest $name 16MB -Workload HotSpot -DirtyRate 60MB -Content Random
            $last = (Start-VmMigration $name "local:$to" -Xbzrle -XbzrleCacheSize 8MB -Means Qemu -MaxBandwidth 40MB -MaxDowntime 2ms -Verify)[-1]
            $last.Result.Verified | Should -BeTrue
            $last.Xbzrle.CacheSize | Should -Be 8MB
            $last.XbzrlePages | Should -BeGreaterThan 0
            $last.Xbzrle.Pages | Should -Be $last.XbzrlePages
            $last.Xbzrle.EncodingRate | Should -BeGreaterThan 1
            $shown = "$($last.Xbzrle); cache 8 MB"
            $shown | Should -Match '^[\d,]+ found, [\d,]+ missed, [\d,]+ sent whole; lately '
            Read-View "//View[Name='MigrationState']//ListItem[Label='XBZRLE']" (Get-MigrationState -Name $name) | Should -Be $shown
            Read-View "//View[Name='MigrationIteration']//ListItem[Label='XBZRLE']" $last | Should -Be $shown
        }

        It 'chooses its means by itself unless told otherwise, and says so: <Means>' -ForEach @(
            @{ Means = 'Adaptive'; Arguments = @{}; Decisions = 1 }
            @{ Means = 'Adaptive'; Arguments = @{ Means = 'Adaptive' }; Decisions = 1 }
            @{ Means = 'Qemu'; Arguments = @{ Means = 'Qemu' }; Decisions = 0 }
        ) {
            # One byte in each page that it has come to.
            $guest = New-MigrationGuest $name 16MB -Workload WalkingIncrement -DirtyRate 20MB -PassThru
            $null = Wait-Until { $guest.Ticks[0] -gt 500 }
            $last = (Start-VmMigration $name "local:$to" -Verify @Arguments)[-1]
            $last.Result.Verified | Should -BeTrue
            $state = $last | Get-MigrationState
            $state.Parameters.Means | Should -Be $Means
            $told = @($state.Decisions | Where-Object { $_.What -eq 'Sparse pages' })
            $told | Should -HaveCount $Decisions
            if ($Decisions) {
                $told[0].To | Should -Be 'on'
                $last.SparsePages | Should -BeGreaterThan 499
            }
            else { $last.SparsePages | Should -Be 0 }
        }

        It 'takes no larger cache for -Xbzrle than the guest has memory, and says so' {
            $null = New-Writer $name
            $state = (Start-VmMigration $name "local:$to" -Xbzrle)[-1] | Get-MigrationState
            $state.Current.Xbzrle.CacheSize | Should -Be 16MB
            @($state.Decisions | Where-Object What -EQ 'XbzrleCacheSize') | Should -HaveCount 1
        }

        It 'keeps a suspended copy with -KeepSource' {
            $guest = New-Writer $name
            $null = Start-VmMigration $name "local:$to" -KeepSource
            $guest.State | Should -Be 'PostMigrate'
            $guest.MovedTo | Should -Be "local:$to"
            (Get-MigrationGuest $name -HostName $to).State | Should -Be 'Running'
        }

        It 'means the guest that lives when a copy of the same name was kept' {
            New-Writer $name | Where-Object { $false }
            $null = Start-VmMigration $name "local:$to" -KeepSource
            (Start-VmMigration $name "local:$to-2")[-1].Result.State | Should -Be 'Completed'
            (Get-MigrationGuest $name -HostName "$to-2").State | Should -Be 'Running'
        }
    }

    Context 'of several guests' {
        BeforeEach {
            foreach ($i in 1..3) { New-Writer "$name-$i" 8MB 5MB | Where-Object { $false } }
        }

        It 'takes guests from the pipeline' {
            $last = Get-MigrationGuest "$name*" | Start-VmMigration -Destination "local:$to" -Verify | Where-Object { $_.IsFinal }
            $last | Should -HaveCount 3
            foreach ($item in $last) { $item.Result.Verified | Should -BeTrue }
            @(Get-MigrationGuest "$name*" -HostName $to) | Should -HaveCount 3
        }

        It 'takes names and destinations from properties' {
            $last = 1..2 | ForEach-Object { [pscustomobject]@{ Name = "$name-$_"; Destination = "local:$to-$_" } } | Start-VmMigration |
                Where-Object { $_.IsFinal }
            $last | Should -HaveCount 2
            (Get-MigrationGuest "$name-1").Host | Should -Be "$to-1"
            (Get-MigrationGuest "$name-2").Host | Should -Be "$to-2"
        }

        It 'takes a pattern' {
            @(Start-VmMigration "$name-[12]" "local:$to" | Where-Object { $_.IsFinal }) | Should -HaveCount 2
            (Get-MigrationGuest "$name-3").Host | Should -Be 'local'
        }

        It 'runs no more than -ThrottleLimit at a time' {
            $most = @{ Running = 0 }
            Start-VmMigration "$name*" "local:$to" -MaxBandwidth 30MB -ThrottleLimit 1 | ForEach-Object {
                $running = @(Get-MigrationState -Running | Where-Object { $_.Name -like "$name*" }).Count
                if ($running -gt $most.Running) { $most.Running = $running }
            }
            $most.Running | Should -BeLessOrEqual 1
            @(Get-MigrationGuest "$name*" -HostName $to) | Should -HaveCount 3
        }

        It 'goes on with the others when one fails' {
            # The name is taken at the destination.
            New-MigrationGuest "$name-2" 8MB -HostName $to -Suspended
            $last = Get-MigrationGuest "$name*" -HostName local | Start-VmMigration -Destination "local:$to" -ErrorVariable failed -ErrorAction SilentlyContinue |
                Where-Object { $_.IsFinal }
            $failed | Should -HaveCount 1
            $failed[0].FullyQualifiedErrorId | Should -Be 'DuplicateGuestName,PsMigrate.Commands.StartVmMigrationCommand'
            @($last | Where-Object { $_.State -eq 'Completed' }) | Should -HaveCount 2
            (Get-MigrationGuest "$name-2" -HostName local).State | Should -Be 'Running'
        }

        It 'refuses a guest that is named twice' {
            $guest = Get-MigrationGuest "$name-1"
            $last = $guest, $guest | Start-VmMigration -Destination "local:$to" -ErrorVariable failed -ErrorAction SilentlyContinue | Where-Object { $_.IsFinal }
            $last | Should -HaveCount 1
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'GuestBusy,*'
        }
    }

    Context 'ends early' {
        BeforeEach {
            # Never done: every page is dirty again before a pass is over.
            $guest = New-Writer $name 16MB 400MB
            $limits = @{ MaxBandwidth = 60MB; MaxDowntime = '1ms'; Means = 'Qemu' }
        }

        AfterEach {
            $state = @(Get-MigrationState -Name $name)[-1]
            $state.State | Should -Be 'Cancelled'
            $state.Location | Should -Be 'Source'
            $guest.State | Should -Be 'Running'
            $guest.IsBusy | Should -BeFalse
            Get-MigrationGuest "$name*" -HostName $to | Should -BeNullOrEmpty
            $ticks = $guest.Ticks[0]
            $null = Wait-Until { $guest.Ticks[0] -gt $ticks }
        }

        It 'with a break in an enclosing loop' {
            $seen = 0
            foreach ($once in 1) { Start-VmMigration $name "local:$to" @limits | ForEach-Object { $seen++; if ($_.Iteration -eq 2) { break } } }
            $seen | Should -Be 2
        }

        It 'with a throw downstream' {
            { Start-VmMigration $name "local:$to" @limits | ForEach-Object { throw 'enough' } } | Should -Throw 'enough'
        }

        It 'with Ctrl+C' {
            $passes = Invoke-WithStop {
                param($name, $to)
                Start-VmMigration $name "local:$to" -MaxBandwidth 60MB -MaxDowntime 1ms -Means Qemu
            } -ArgumentList $name, $to -Until { $args[0].Output.Count -ge 2 }
            @($passes).Count | Should -BeGreaterOrEqual 2
        }

        It 'with Stop-Migration from elsewhere, and a warning' {
            $run = Start-InRunspace {
                param($name, $to)
                Start-VmMigration $name "local:$to" -MaxBandwidth 60MB -MaxDowntime 1ms -Means Qemu -WarningVariable warned -WarningAction SilentlyContinue
                "$warned"
            } -ArgumentList $name, $to
            $null = Wait-Until { $run.Output.Count -ge 1 }
            (Stop-Migration $name).Outcome | Should -Be 'Cancelled'
            $output = @(Wait-InRunspace $run)
            $output[-2].IsFinal | Should -BeTrue
            $output[-2].State | Should -Be 'Cancelled'
            $output[-1] | Should -BeLike "*$name*was cancelled*"
        }
    }

    Context 'fails' {
        BeforeEach { $guest = New-Writer $name }

        AfterEach { $guest.State | Should -Be 'Running' }

        It 'with -Timeout, and the guest goes on at the source' {
            $last = Start-VmMigration $name "local:$to" -MaxBandwidth 5MB -Timeout 300ms -ErrorVariable failed -ErrorAction SilentlyContinue | Where-Object { $_.IsFinal }
            $failed | Should -HaveCount 1
            $failed[0].FullyQualifiedErrorId | Should -Be 'Timeout,PsMigrate.Commands.StartVmMigrationCommand'
            $failed[0].CategoryInfo.Category | Should -Be 'OperationTimeout'
            $failed[0].Exception.Location | Should -Be 'Source'
            $failed[0].TargetObject.Id | Should -Be $last.Id
            $last.State | Should -Be 'Failed'
            $last.Result.Error.Id | Should -Be 'Timeout'
        }

        It 'where nobody listens' {
            $listener = [System.Net.Sockets.TcpListener]::new([System.Net.IPAddress]::Loopback, 0)
            $listener.Start()
            $port = $listener.LocalEndpoint.Port
            $listener.Stop()
            $last = Start-VmMigration $name "tcp:127.0.0.1:$port" -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'ConnectionRefused,*'
            $failed[0].CategoryInfo.Category | Should -Be 'ConnectionError'
            $failed[0].Exception.Side | Should -Be 'Link'
            $failed[0].Exception.Phase | Should -Be 'Connect'
            $failed[0].Exception.IsRetryable | Should -BeTrue
            "$($failed[0].ErrorDetails)" | Should -BeLike '*the guest is at the source*'
            $last.State | Should -Be 'Failed'
        }

        It 'where the guest is not welcome, with the reason' {
            $receiver = Start-MigrationReceiver -HostName $to -AllowedName 'somebody-else*'
            try { $null = Start-VmMigration $name $receiver -ErrorVariable failed -ErrorAction SilentlyContinue }
            finally { $receiver | Stop-MigrationReceiver }
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'DestinationRefused,*'
            $failed[0].CategoryInfo.Category | Should -Be 'PermissionDenied'
            $failed[0].Exception.Side | Should -Be 'Destination'
            $failed[0].Exception.Message | Should -BeLike "*$name*not accepted*"
        }

        It 'while it is being migrated' {
            $job = Start-VmMigration $name "local:$to" -MaxBandwidth 100KB -AsJob
            Start-VmMigration $name "local:$to-2" -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'GuestBusy,*'
            $failed[0].CategoryInfo.Category | Should -Be 'ResourceBusy'
            $job | Stop-Job
        }

        It 'with -KeepSource to its own host' {
            Start-VmMigration $name local: -KeepSource -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'DuplicateGuestName,*'
        }

        It 'for a guest that nobody knows' {
            Start-VmMigration "$name-x" "local:$to" -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
            $failed[0].FullyQualifiedErrorId | Should -Be 'GuestNotFound,PsMigrate.Commands.StartVmMigrationCommand'
        }

        It 'before anything begins with <What>' -ForEach @(
            @{ What = 'an address that is none'; Arguments = @{ Destination = 'nowhere' }; Id = 'InvalidUri' }
            @{ What = 'a port beyond the range'; Arguments = @{ Destination = 'tcp:127.0.0.1:65536' }; Id = 'InvalidUri' }
            @{ What = 'no port'; Arguments = @{ Destination = 'tcp:127.0.0.1' }; Id = 'InvalidUri' }
            @{ What = 'a downtime of 0'; Arguments = @{ MaxDowntime = 0 }; Id = 'InvalidParameter' }
            @{ What = 'a downtime beyond 2000 s'; Arguments = @{ MaxDowntime = '2001s' }; Id = 'InvalidParameter' }
            @{ What = 'a negative bandwidth'; Arguments = @{ MaxBandwidth = -1 }; Id = 'InvalidParameter' }
            @{ What = 'a timeout of 0'; Arguments = @{ Timeout = 0 }; Id = 'InvalidParameter' }
            @{ What = 'a connect timeout of 0'; Arguments = @{ ConnectTimeout = 0 }; Id = 'InvalidParameter' }
            @{ What = 'a cache for -Xbzrle that is no power of two'; Arguments = @{ Xbzrle = $true; XbzrleCacheSize = 12KB }; Id = 'InvalidParameter' }
        ) {
            $all = @{ Destination = "local:$to" }
            foreach ($key in $Arguments.Keys) { $all[$key] = $Arguments[$key] }
            $error0 = { Start-VmMigration $name @all } | Should -Throw -PassThru
            $error0.FullyQualifiedErrorId | Should -Be "$Id,PsMigrate.Commands.StartVmMigrationCommand"
            $error0.CategoryInfo.Category | Should -Be 'InvalidArgument'
            @(Get-MigrationState | Where-Object { $_.Name -eq $name }) | Should -HaveCount 0
        }

        It 'to a file with -Verify, which no file can answer' {
            Start-VmMigration $name "file:$TestDrive/verified" -Verify -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidParameter,*'
            "$TestDrive/verified" | Should -Not -Exist
        }

        It 'to a file in a folder that is not there' {
            $final = Start-VmMigration $name "file:$TestDrive/no/such" -ErrorVariable failed -ErrorAction SilentlyContinue
            $final.State | Should -Be 'Failed'
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'FileFailed,*'
        }
    }

    It 'changes nothing with -WhatIf' {
        $guest = New-Writer $name
        Start-VmMigration $name "local:$to" -WhatIf | Should -BeNullOrEmpty
        Start-VmMigration $name "local:$to" -AsJob -WhatIf | Should -BeNullOrEmpty
        @(Get-MigrationState | Where-Object { $_.Name -eq $name }) | Should -HaveCount 0
        $guest.State | Should -Be 'Running'
        $guest.Host | Should -Be 'local'
    }

    It 'waits before the switch-over with -PauseBeforeSwitchover' {
        $guest = New-Writer $name
        $job = Start-VmMigration $name "local:$to" -PauseBeforeSwitchover -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PreSwitchover' }
        $guest.State | Should -Be 'FinishMigrate'
        (Stop-Migration $name).Outcome | Should -Be 'Cancelled'
        $guest.State | Should -Be 'Running'
    }

    Context 'as a job' {
        It 'gives a job of the module, with the passes as its output' {
            New-Writer $name | Where-Object { $false }
            $job = Start-VmMigration $name "local:$to" -MaxBandwidth 60MB -AsJob
            $job | Should -BeOfType 'PsMigrate.Jobs.MigrationJob'
            $job.PSJobTypeName | Should -Be 'Migration'
            $job.Location | Should -Be "local:$to"
            (Get-Job -Id $job.Id).InstanceId | Should -Be $job.InstanceId
            $passes = @($job | Receive-Job -Wait)
            $passes[-1].IsFinal | Should -BeTrue
            $passes[-1].Result.State | Should -Be 'Completed'
            $job.State | Should -Be 'Completed'
            (Get-MigrationGuest $name).Host | Should -Be $to
        }

        It 'ends Wait-Job, or its time does' {
            New-Writer $name | Where-Object { $false }
            $job = Start-VmMigration $name "local:$to" -MaxBandwidth 1MB -AsJob
            $job | Wait-Job -Timeout 1 | Should -BeNullOrEmpty
            $job.State | Should -Be 'Running'
            $job.StatusMessage | Should -BeLike '*pass 1*'
            Set-Migration -Name $name -MaxBandwidth 0
            ($job | Wait-Job -Timeout 60).State | Should -Be 'Completed'
        }

        It 'is cancelled by Stop-Job' {
            $guest = New-Writer $name
            $job = Start-VmMigration $name "local:$to" -MaxBandwidth 100KB -AsJob
            $job | Stop-Job
            $job.State | Should -Be 'Stopped'
            $guest.State | Should -Be 'Running'
            (Get-MigrationState -Name $name)[-1].State | Should -Be 'Cancelled'
        }

        It 'is cancelled by Remove-Job -Force' {
            $guest = New-Writer $name
            Start-VmMigration $name "local:$to" -MaxBandwidth 100KB -AsJob | Remove-Job -Force
            $guest.State | Should -Be 'Running'
            $guest.IsBusy | Should -BeFalse
            @(Get-MigrationState -Name $name)[-1].State | Should -Be 'Cancelled'
        }

        It 'is Failed when the migration failed, and has the error' {
            $guest = New-Writer $name
            $job = Start-VmMigration $name "local:$to" -MaxBandwidth 5MB -Timeout 200ms -AsJob | Wait-Job -Timeout 60
            $job.State | Should -Be 'Failed'
            $job.Error | Should -HaveCount 1
            $job.Error[0].Exception.Id | Should -Be 'Timeout'
            $null = $job | Receive-Job -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].Exception.Id | Should -Be 'Timeout'
            $guest.State | Should -Be 'Running'
        }

        It 'has a child for each of several guests' {
            foreach ($i in 1..3) { New-Writer "$name-$i" 8MB 5MB | Where-Object { $false } }
            $job = Get-MigrationGuest "$name*" | Start-VmMigration -Destination "local:$to" -Verify -AsJob
            $job.ChildJobs | Should -HaveCount 3
            $job.ChildJobs.Name | Should -Be @("$name-1", "$name-2", "$name-3")
            $last = @($job | Receive-Job -Wait | Where-Object { $_.IsFinal })
            $last | Should -HaveCount 3
            foreach ($item in $last) { $item.Result.Verified | Should -BeTrue }
            $job.State | Should -Be 'Completed'
            foreach ($child in $job.ChildJobs) { $child.State | Should -Be 'Completed' }
        }

        It 'is stopped with all its children, also those that wait' {
            foreach ($i in 1..3) { New-Writer "$name-$i" 8MB 5MB | Where-Object { $false } }
            $job = Get-MigrationGuest "$name*" | Start-VmMigration -Destination "local:$to" -MaxBandwidth 100KB -ThrottleLimit 1 -AsJob
            $job.ChildJobs[2].StatusMessage | Should -Be 'waits for its turn'
            $job | Stop-Job
            $job.State | Should -Be 'Stopped'
            $job.ChildJobs.State | Should -Be @('Stopped', 'Stopped', 'Stopped')
            (Get-MigrationGuest "$name*").State | Should -Be @('Running', 'Running', 'Running')
            @(Get-MigrationState -Name "$name*") | Should -HaveCount 1
        }

        It 'is Failed when one of several failed' {
            foreach ($i in 1..2) { New-Writer "$name-$i" 8MB 5MB | Where-Object { $false } }
            New-MigrationGuest "$name-2" 8MB -HostName $to -Suspended
            $job = Get-MigrationGuest "$name*" -HostName local | Start-VmMigration -Destination "local:$to" -AsJob | Wait-Job -Timeout 60
            $job.State | Should -Be 'Failed'
            $job.ChildJobs.State | Should -Be @('Completed', 'Failed')
        }
    }

    It 'completes guests and destinations' {
        New-Writer $name | Where-Object { $false }
        $line = "Start-VmMigration $name"
        [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches.CompletionText | Should -Be $name
        $receiver = Start-MigrationReceiver -HostName $to
        try {
            $line = "Start-VmMigration $name -Destination tcp:"
            $found = [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches
            $found.CompletionText | Should -Contain "$($receiver.Uri)"
        }
        finally { $receiver | Stop-MigrationReceiver }
    }
}
