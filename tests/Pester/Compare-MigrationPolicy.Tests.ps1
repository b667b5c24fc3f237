BeforeAll {
    . $PSScriptRoot/common.ps1
    $folder = [System.IO.Directory]::CreateDirectory([System.IO.Path]::Combine([System.IO.Path]::GetTempPath(), (New-TestName 'traces'))).FullName
    $there = New-TestName 'there'
    $guest = New-TestName
    $null = New-MigrationGuest $guest 16MB -Workload Random -DirtyRate 4MB -Content Random
    $file = [System.IO.Path]::Combine($folder, 'one.json')
    $passes = @(Start-VmMigration $guest "local:$there" -MaxBandwidth 16MB -MaxDowntime 50ms -RecordTrace $file)
    $state = Get-MigrationState -Id $passes[0].Id
}

AfterAll {
    foreach ($left in Get-MigrationGuest -HostName $there) { Remove-MigrationGuest $left.Name -HostName $there -Confirm:$false }
    [System.IO.Directory]::Delete($folder, $true)
}

Describe 'Start-VmMigration -RecordTrace' {
    BeforeEach { $failed = $null; $name = New-TestName }
    AfterEach { foreach ($left in Get-MigrationGuest "$name*") { Remove-MigrationGuest $left.Name -HostName $left.Host -Confirm:$false } }

    It 'writes what each pass was, and the state has the same' {
        $passes[-1].State | Should -Be 'Completed'
        $trace = [PsMigrate.Engine.Model.MigrationTrace]::Load($file)
        $trace.Name | Should -Be $guest
        $trace.Passes.Count | Should -Be ($passes.Count - 1)
        $trace.Passes[0].Found.Count | Should -Be $trace.UsedPages.Count
        $trace.Outcome.State | Should -Be 'Completed'
        $state.Trace.ToJson() | Should -Be $trace.ToJson()
    }

    It 'has what -OnIteration and Set-Migration did on the way' {
        $null = New-MigrationGuest $name 16MB -Workload Random -DirtyRate 0 -Content Random
        $other = [System.IO.Path]::Combine($folder, "$name.json")
        $null = Start-VmMigration $name "local:$there" -MaxBandwidth 32MB -MaxDowntime 1ms -Policy Qemu -Means Qemu -RecordTrace $other -OnIterationTimeout 1m -OnIteration {
            if ($_.Iteration -ge 3) { Set-Migration $_.Id -MaxDowntime 1m -ErrorAction SilentlyContinue } else { 'Throttle to 7 %' }
        } -WarningAction SilentlyContinue
        $row = @(Compare-MigrationPolicy $other)[0]
        $row.ModelError | Should -BeNullOrEmpty
        @($row.Assumptions -like '*-OnIteration decided too (Throttle from 0 % to 7 % after *').Count | Should -Be 1
        @($row.Assumptions -like '*Set-Migration changed limits (MaxDowntime from 1 ms to *').Count | Should -Be 1
    }

    It 'writes a file for each guest into a folder' {
        foreach ($number in 1, 2) { $null = New-MigrationGuest "$name-$number" 8MB }
        $null = Start-VmMigration "$name-*" "local:$there" -RecordTrace $folder
        foreach ($number in 1, 2) {
            [PsMigrate.Engine.Model.MigrationTrace]::Load([System.IO.Path]::Combine($folder, "$name-$number.trace.json")).Name | Should -Be "$name-$number"
        }
    }

    It 'refuses one file for two guests, and a folder that is not there, before anything is sent' {
        foreach ($number in 1, 2) { $null = New-MigrationGuest "$name-$number" 8MB }
        $null = Start-VmMigration "$name-*" "local:$there" -RecordTrace ([System.IO.Path]::Combine($folder, "$name.json")) -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidParameter,*'
        (Get-MigrationGuest "$name-2").Host | Should -Be 'local'
        $null = Start-VmMigration "$name-2" "local:$there" -RecordTrace ([System.IO.Path]::Combine($folder, 'none', 'x.json')) -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'FileFailed,*'
        (Get-MigrationGuest "$name-2").Host | Should -Be 'local'
    }

    It 'writes nothing with -WhatIf' {
        $null = New-MigrationGuest $name 8MB
        $other = [System.IO.Path]::Combine($folder, "$name.json")
        Start-VmMigration $name "local:$there" -RecordTrace $other -WhatIf | Should -BeNullOrEmpty
        [System.IO.File]::Exists($other) | Should -BeFalse
    }

    It 'writes it as a job too' {
        $null = New-MigrationGuest $name 8MB
        $other = [System.IO.Path]::Combine($folder, "$name.json")
        $job = Start-VmMigration $name "local:$there" -RecordTrace $other -AsJob
        $null = Wait-Job $job -Timeout 60
        $job.State | Should -Be 'Completed'
        [PsMigrate.Engine.Model.MigrationTrace]::Load($other).Name | Should -Be $name
        Remove-Job $job
    }

    It 'writes what there was of one whose pipeline ended early' {
        $null = New-MigrationGuest $name 16MB -Workload Random -DirtyRate 0 -Content Random
        $other = [System.IO.Path]::Combine($folder, "$name.json")
        foreach ($once in 1) {
            Start-VmMigration $name "local:$there" -MaxBandwidth 64MB -MaxDowntime 1ms -Means Qemu -RecordTrace $other | ForEach-Object { break }
        }
        $trace = [PsMigrate.Engine.Model.MigrationTrace]::Load($other)
        $trace.Outcome.State | Should -Be 'Cancelled'
        $trace.Passes.Count | Should -BeGreaterOrEqual 1
    }

    It 'says when it could not write, and the guest has gone all the same' {
        $null = New-MigrationGuest $name 8MB
        $asked = [System.IO.Path]::Combine($folder, "$name.json")
        # A folder comes into its way.
        $null = Start-VmMigration $name "local:$there" -RecordTrace $asked -ErrorVariable failed -ErrorAction SilentlyContinue |
            ForEach-Object { if (-not $_.IsFinal) { [System.IO.Directory]::CreateDirectory($asked) } }
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'FileFailed,*'
        (Get-MigrationGuest $name).Host | Should -Be $there
    }
}

Describe 'Compare-MigrationPolicy' {
    BeforeEach { $failed = $null }

    It 'gives what happened, and a row for each policy' {
        $rows = @(Compare-MigrationPolicy $file -Policy Qemu, AutoConverge)
        $rows[0] | Should -BeOfType 'PsMigrate.Engine.Model.PolicyReplay'
        @($rows | ForEach-Object { $_.Policy })[1, 2] | Should -Be @('Qemu', 'AutoConverge')
        @($rows | ForEach-Object { $_.IsActual }) | Should -Be @($true, $false, $false)
        # To the microsecond.
        [Math]::Round($rows[0].TotalTime.TotalMilliseconds) | Should -Be ([Math]::Round($passes[-1].Result.TotalTime.TotalMilliseconds))
        $rows[0].TransferredBytes | Should -Be $passes[-1].Result.TransferredBytes
        foreach ($row in $rows) {
            $row.Converged | Should -BeTrue
            $row.Answer | Should -BeLike '*ended*standing*'
            $row.Assumptions | Should -Not -BeNullOrEmpty
        }
    }

    It 'takes all built-in policies by default, and policies of one''s own' {
        $all = @([PsMigrate.Engine.Model.MigrationPolicy]::BuiltIn)
        @(Compare-MigrationPolicy $file) | Should -HaveCount ($all.Count + 1)
        $own = New-MigrationPolicy own @{ When = 'Pass >= 1'; Then = 'Throttle to 50 %' }
        $rows = @(Compare-MigrationPolicy $file $own, 'Qemu' -MaxDowntime 1ms -MaxThrottle 20)
        $rows[1].Policy | Should -Be 'own'
        $rows[1].Decisions[0].To | Should -Be '20 %'
        $rows[1].Slowdown | Should -BeLessOrEqual 0.2
        $rows[2].Slowdown | Should -Be 0
    }

    It 'has a row for a postcopy' {
        $row = @(Compare-MigrationPolicy $file Qemu -Postcopy)[-1]
        $row.Policy | Should -Be 'Postcopy'
        $row.End | Should -Be 'WentOver'
        $row.StalledTime | Should -BeOfType 'System.TimeSpan'
    }

    It 'takes a trace from the pipeline as <What>' -ForEach @(
        @{ What = 'a path'; Make = { $args[0] } }
        @{ What = 'a file'; Make = { [System.IO.FileInfo]$args[0] } }
        @{ What = 'an object'; Make = { [PsMigrate.Engine.Model.MigrationTrace]::Load($args[0]) } }
        @{ What = 'a state'; Make = { $args[1] } }
        @{ What = 'a property'; Make = { [pscustomobject]@{ Trace = $args[0] } } }
    ) {
        $rows = @(& $Make $file $state | Compare-MigrationPolicy -Policy Qemu)
        $rows | Should -HaveCount 2
        $rows[0].Name | Should -Be $guest
    }

    It 'takes wildcards' {
        $name = New-TestName
        foreach ($number in 1, 2) { [System.IO.File]::Copy($file, [System.IO.Path]::Combine($folder, "$name-$number.json")) }
        @(Compare-MigrationPolicy ([System.IO.Path]::Combine($folder, "$name-*.json")) Qemu) | Should -HaveCount 4
    }

    It 'says what is wrong, and goes on with the next' {
        $bad = [System.IO.Path]::Combine($folder, 'bad.json')
        [System.IO.File]::WriteAllText($bad, [System.IO.File]::ReadAllText($file).Replace('"version":1', '"version":7'))
        $rows = @($bad, "$bad.none", 7, $file | Compare-MigrationPolicy -Policy Qemu -ErrorVariable failed -ErrorAction SilentlyContinue)
        $rows | Should -HaveCount 2
        @($failed | ForEach-Object { $_.FullyQualifiedErrorId.Split(',')[0] }) | Should -Be @('InvalidTrace', 'FileFailed', 'InvalidParameter')
        $failed[0].Exception.Message | Should -BeLike '*version: this release reads version 1*'
    }

    It 'says that nothing was recorded' {
        $plain = New-TestName
        $null = New-MigrationGuest $plain 8MB
        $ended = Start-VmMigration $plain "local:$there"
        Get-MigrationState -Id @($ended)[0].Id | Compare-MigrationPolicy -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'NothingToReplay,*'
        Remove-MigrationGuest $plain -HostName $there -Confirm:$false
    }

    It 'refuses <Name> <Value>' -ForEach @(
        @{ Name = 'MaxThrottle'; Value = 100 }
        @{ Name = 'MaxDowntime'; Value = 0 }
        @{ Name = 'MaxBandwidth'; Value = -1 }
        @{ Name = 'Bandwidth'; Value = 0 }
        @{ Name = 'Timeout'; Value = 0 }
    ) {
        $more = @{ $Name = $Value }
        Compare-MigrationPolicy $file Qemu @more -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidParameter,*'
    }

    It 'refuses a policy that there is not' {
        { Compare-MigrationPolicy $file Magic } | Should -Throw '*no built-in policy*Magic*'
    }

    It 'ends with the pipeline' {
        $seen = 0
        foreach ($once in 1) {
            & { while ($true) { $file } } | Compare-MigrationPolicy -Policy Qemu | ForEach-Object { $seen++; if ($seen -eq 3) { break } }
        }
        $seen | Should -Be 3
    }

    It 'ends with Ctrl+C' {
        $output = Invoke-WithStop -ArgumentList $file -Script { param($file) & { while ($true) { $file } } | Compare-MigrationPolicy } -Until { $args[0].Output.Count -ge 2 }
        $output.Count | Should -BeGreaterOrEqual 2
    }

    It 'offers the built-in policies' {
        $line = 'Compare-MigrationPolicy x -Policy D'
        $offered = [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches
        $offered.CompletionText | Should -Be @('DirtyLimit', 'DowntimeRamp')
    }

    It 'shows rows as a table and as a list' {
        $rows = @(Compare-MigrationPolicy $file AutoConverge -Postcopy)
        $views = '//View[ViewSelectedBy/TypeName="PsMigrate.Engine.Model.PolicyReplay"]'
        @(Read-View "$views//TableColumnItem" $rows[0])[0, 1] | Should -Be @("$($rows[0].Policy) (real)", 'SwitchedOver')
        (Read-View "$views//ListItem" $rows[-1]) -join "`n" | Should -BeLike '*It would have ended*writes as it did*'
        @(Read-View '//View[ViewSelectedBy/TypeName="PsMigrate.Engine.Model.MigrationTrace"]//TableColumnItem' $state.Trace)[0, 1] | Should -Be @($guest, '16')
        @(Read-View '//View[ViewSelectedBy/TypeName="PsMigrate.Engine.Model.TracePass"]//TableColumnItem' $state.Trace.Passes[0])[0] | Should -Be '1'
    }
}
