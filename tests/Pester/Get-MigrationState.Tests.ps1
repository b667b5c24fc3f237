BeforeAll {
    . $PSScriptRoot/common.ps1

    function Start-Endless($Name, [hashtable] $Limits = @{ MaxBandwidth = 40MB; MaxDowntime = '1ms' }) {
        # Every page is dirty again before a pass is over.
        New-MigrationGuest $Name 16MB -Workload Random -DirtyRate 400MB -Content Random
        Start-VmMigration $Name "local:$Name-to" @Limits -Means Qemu -AsJob
    }
}

Describe 'Get-MigrationState' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
    }

    AfterEach {
        Stop-Migration "$name*" | Where-Object { $false }
        Get-Job | Where-Object { $_ -is [PsMigrate.Jobs.MigrationJob] } | Remove-Job -Force
        Remove-MigrationGuest "$name*" -Force
    }

    Context 'of a migration that has ended' {
        BeforeEach {
            New-MigrationGuest $name 16MB -ProcessorCount 2 -Workload Random -DirtyRate 20MB -Content Random
            $last = (Start-VmMigration $name "local:$name-to" -MaxBandwidth 60MB -MaxDowntime 50ms -Verify)[-1]
        }

        It 'gives the full picture by its number' {
            $state = Get-MigrationState $last.Id
            $state | Should -BeOfType 'PsMigrate.Engine.Model.MigrationState'
            $state.Id | Should -Be $last.Id
            $state.Name | Should -Be $name
            $state.State | Should -Be 'Completed'
            $state.Peer | Should -Be 'PsMigrate'
            $state.Location | Should -Be 'Destination'
            $state.PercentComplete | Should -Be 100
            $state.Bottleneck | Should -Be 'None'
            $state.PhaseNumber | Should -Be '8'
            $state.Result.Verified | Should -BeTrue
            $state.Downtime | Should -Be $last.Downtime
            $state.Parameters.MaxBandwidth | Should -Be 60MB
            $state.Error | Should -BeNullOrEmpty
        }

        It 'has the passes that came down the pipeline' {
            $state = Get-MigrationState -Name $name
            @($state.Iterations) | Should -HaveCount $last.Iteration
            $state.Iterations[0].Iteration | Should -Be 1
            $state.Iterations[-1].IsFinal | Should -BeTrue
        }

        It 'has the phases with the numbers of the diagram, in order' {
            $phases = (Get-MigrationState -Name $name).Phases
            $numbers = $phases.Number
            foreach ($number in '0', '1', '2', '3', '4', '5', '5.1', '5.2', '5.3', '5.3.1', '5.3.2', '5.3.2.1', '5.3.2.2', '5.3.2.3', '6', '7', '8') {
                $numbers | Should -Contain $number
            }
            $phases[1].QemuFunction | Should -Be 'qemu_savevm_state_header'
            $open = @($phases | Where-Object { $_.IsOpen })
            $open | Should -HaveCount 0
            foreach ($phase in $phases) { $phase.Count | Should -BeGreaterThan 0 }
            # The parts of the switch-over lie within it.
            $completion = $phases | Where-Object { $_.Number -eq '5.3' }
            $inner = $phases | Where-Object { $_.Number -eq '5.3.2' }
            $inner.Duration | Should -BeLessOrEqual $completion.Duration
        }

        It 'tells what it cost the guest' {
            $cost = (Get-MigrationState $last.Id).Result.Cost
            $cost | Should -BeOfType 'PsMigrate.Engine.Model.GuestCost'
            $cost.WriteRateDuring | Should -BeGreaterThan 0
            $cost.Downtime | Should -Be $last.Downtime
            Wait-Until { $null -ne $cost.WriteRateAfter } | Should -BeTrue
            foreach ($pass in (Get-MigrationState $last.Id).Iterations) { if ($null -ne $pass.WriteRate) { $pass.WriteRate | Should -BeGreaterOrEqual 0 } }
            Read-View "//View[Name='GuestCost']//ListItem[Label='Wrote during']" $cost | Should -BeLike '*/s'
            Read-View "//View[Name='GuestCost']//ListItem[Label='Wrote after']" $cost | Should -BeLike '*/s'
            foreach ($view in 'MigrationState', 'MigrationResult') {
                $shown = if ($view -eq 'MigrationState') { Get-MigrationState $last.Id } else { $last.Result }
                Read-View "//View[Name='$view']//ListItem[Label='Cost to the guest']" $shown | Should -Match '^wrote .* before, .*/s during, .*/s after, stood '
            }
        }

        It 'finds it by name, pattern, record and property' {
            (Get-MigrationState -Name $name).Id | Should -Be $last.Id
            (Get-MigrationState -Name "$name*").Id | Should -Be $last.Id
            ($last | Get-MigrationState).Id | Should -Be $last.Id
            ($last.Result | Get-MigrationState).Id | Should -Be $last.Id
            ([pscustomobject]@{ MigrationId = $last.Id } | Get-MigrationState).Id | Should -Be $last.Id
        }

        It 'finds all migrations of a guest, the latest last' {
            $second = (Start-VmMigration $name local:)[-1]
            (Get-MigrationState -Name $name).Id | Should -Be @($last.Id, $second.Id)
        }

        It 'is not among those that run' {
            @(Get-MigrationState -Running | Where-Object { $_.Name -eq $name }) | Should -HaveCount 0
            @(Get-MigrationState | Where-Object { $_.Name -eq $name }) | Should -HaveCount 1
        }
    }

    It 'tells why a migration is not done yet, and what would help' {
        $null = Start-Endless $name
        $state = Wait-Until { Get-MigrationState -Running | Where-Object { $_.Name -eq $name -and $_.Current.Iteration -gt 2 } }
        $state.Bottleneck | Should -BeIn 'BandwidthCapped', 'DirtyRateExceedsBandwidth', 'DowntimeBudgetTooSmall'
        $state.Advice | Should -Match 'MB/s|-MaxDowntime'
        $state.PercentComplete | Should -BeLessThan 100
        $state.Result | Should -BeNullOrEmpty
        $state.Location | Should -Be 'Source'
    }

    It 'tells what would come of each lever, without an estimate for what does not end' {
        $null = Start-Endless $name @{ MaxBandwidth = 40MB; MaxDowntime = '1ms'; Policy = 'Qemu' }
        $state = Wait-Until { Get-MigrationState -Running | Where-Object { $_.Name -eq $name -and $_.Current.Iteration -gt 2 -and $_.Levers.Count -gt 0 -and $null -eq $_.PercentComplete } }
        $state.RemainingTime | Should -BeNullOrEmpty
        foreach ($lever in $state.Levers) {
            $lever | Should -BeOfType 'PsMigrate.Engine.Model.ForecastLever'
            $lever.Remaining | Should -BeGreaterThan ([timespan]::Zero)
        }
        $state.Advice | Should -BeLike '*: ends in *, downtime * ms.'
        @($state.Levers | Where-Object { $state.Advice -like "*$($_.Setting): ends in *" }) | Should -HaveCount 1
        Read-View "//View[Name='MigrationState']//ListItem[Label='Progress']" $state | Should -Be 'no estimate'
        Read-View "//View[Name='ForecastLever']//TableColumnItem" $state.Levers[0] | Should -HaveCount 6
        Read-View "//View[Name='MigrationState']//ListItem[Label='Levers']" $state | Should -BeLike "$($state.Levers[0].Setting): *"
    }

    It 'tells that the first pass goes on' {
        $null = Start-Endless $name @{ MaxBandwidth = 4MB }
        $state = Wait-Until { Get-MigrationState -Name $name | Where-Object { $_.Bottleneck -ne 'Starting' } }
        $state.Bottleneck | Should -BeIn 'FirstPass', 'BandwidthCapped'
        $state.State | Should -Be 'Active'
    }

    It 'never goes back' {
        $null = Start-Endless $name
        $seen = foreach ($i in 1..20) {
            (Get-MigrationState -Name $name).PercentComplete
            [System.Threading.Thread]::Sleep(20)
        }
        $before = 0
        foreach ($percent in $seen) {
            if ($null -eq $percent) { continue }
            $percent | Should -BeGreaterOrEqual $before
            $percent | Should -BeLessThan 100
            $before = $percent
        }
    }

    It 'is a picture that does not change' {
        $null = Start-Endless $name
        $state = Wait-Until { Get-MigrationState -Name $name | Where-Object { $_.State -eq 'Active' } }
        $null = Stop-Migration $name
        $state.State | Should -Be 'Active'
        (Get-MigrationState $state.Id).State | Should -Be 'Cancelled'
    }

    It 'keeps the error of a migration that failed' {
        $null = Start-Endless $name @{ MaxBandwidth = 4MB; Timeout = '200ms' }
        $state = Wait-Migration $name -Timeout 60s
        $state.State | Should -Be 'Failed'
        $state.Error.Id | Should -Be 'Timeout'
        $state.Error.Location | Should -Be 'Source'
        $state.Result.Error | Should -Be $state.Error
    }

    It 'misses a number that nobody has' {
        Get-MigrationState 2147483647 -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].FullyQualifiedErrorId | Should -Be 'MigrationNotFound,PsMigrate.Commands.GetMigrationStateCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'ObjectNotFound'
        $failed[0].TargetObject | Should -Be 2147483647
    }

    It 'misses a guest that was never migrated, but no pattern' {
        Get-MigrationState -Name "$name-x" -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'MigrationNotFound,*'
        Get-MigrationState -Name "$name-x*" -ErrorVariable +failed | Should -BeNullOrEmpty
        $failed | Should -HaveCount 1
    }

    It 'is known by its alias' {
        (Get-Command Get-VmMigration).ResolvedCommand.Name | Should -Be 'Get-MigrationState'
    }

    It 'completes numbers and names' {
        $null = Start-Endless $name
        $state = Get-MigrationState -Name $name
        $line = "Get-MigrationState -Name $name"
        [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches.CompletionText | Should -Be $name
        $line = 'Get-MigrationState -Id '
        $found = [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches
        $found.CompletionText | Should -Contain "$($state.Id)"
        @($found | Where-Object { $_.CompletionText -eq "$($state.Id)" })[0].ToolTip | Should -BeLike "$name to local:$name-to*"
    }
}
