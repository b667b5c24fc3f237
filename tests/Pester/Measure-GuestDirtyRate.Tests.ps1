BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
}

Describe 'Measure-GuestDirtyRate' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
    }

    AfterEach { Remove-MigrationGuest "$name*" -Force }

    It 'counts the pages that a guest in memory dirties' {
        $guest = New-MigrationGuest $name 8MB -Workload Sequential -WorkingSet 1MB -DirtyRate 0 -PassThru
        $rate = Measure-GuestDirtyRate $name -Duration 200ms
        $rate | Should -BeOfType 'PsMigrate.Engine.Model.GuestDirtyRate'
        $rate.Name | Should -Be $name
        $rate.Mode | Should -Be 'DirtyBitmap'
        $rate.Duration | Should -BeGreaterOrEqual ([timespan]::FromMilliseconds(200))
        # Each page of the working set once, however often it was written.
        [Math]::Round($rate.DirtyRate * $rate.Duration.TotalSeconds) | Should -BeGreaterThan 0
        [Math]::Round($rate.DirtyRate * $rate.Duration.TotalSeconds) | Should -BeLessOrEqual 1MB
        $guest.IsBusy | Should -BeFalse
    }

    It 'gives a curve from about 25 ms to the whole time' {
        $guest = New-MigrationGuest $name 8MB -Workload Random -WorkingSet 4MB -DirtyRate 8MB -ProcessorCount 2 -Content Mixed -PassThru
        $rate = Measure-GuestDirtyRate $name -Duration 800ms
        $points = $rate.Curve.Points
        $points.Count | Should -BeGreaterThan 0
        $points[-1].Interval | Should -Be $rate.Duration
        $points[-1].Bytes | Should -Be $rate.WrittenBytes
        $points[-1].Samples | Should -Be 1
        for ($i = 1; $i -lt $points.Count; $i++) { $points[$i].Interval | Should -BeGreaterThan $points[$i - 1].Interval }
        foreach ($point in $points) {
            $point.LeastBytes | Should -BeLessOrEqual $point.Bytes
            $point.MostBytes | Should -BeGreaterOrEqual $point.Bytes
            $point.MostBytes | Should -BeLessOrEqual $rate.WrittenBytes
        }
        $rate.Vcpus.Id | Should -Be @(0, 1)
        [Math]::Round($rate.Vcpus[0].DirtyRate + $rate.Vcpus[1].DirtyRate) | Should -Be ([Math]::Round($rate.DirtyRate))
        $rate.Curve.TotalBytes | Should -Be 8MB
        $rate.Curve.UsedBytes | Should -Be 8MB
        $rate.Curve.ZeroShare | Should -BeGreaterThan 0.1
        $rate.Curve.ZeroShare | Should -BeLessThan 0.5
        $rate.Curve.CompressedShare | Should -BeGreaterThan 0.3
        $rate.Curve.CompressedShare | Should -BeLessThan 0.9
    }

    It 'shows the curve in a list' {
        New-MigrationGuest $name 8MB -Content Random -Suspended
        $shown = Measure-GuestDirtyRate $name -Duration 100ms
        $path = "//View[ViewSelectedBy/TypeName='PsMigrate.Engine.Model.GuestDirtyRate']/ListControl//ListItem"
        Read-View "$path[Label='Dirtied within']" $shown | Should -Match '^\S+ m?s: 0 bytes'
        (Read-View "$path[Label='Dirtied within']" $shown).Split("`n") | Should -HaveCount $shown.Curve.Points.Count
        Read-View "$path[Label='In use']" $shown | Should -Be '8 MB of 8 MB, 0 % of it zero'
        Read-View "$path[Label='Compresses to']" $shown | Should -Be '100 %'
        Read-View "$path[Label='Working set']" $shown | Should -Be '0 bytes'
        $path = "//View[ViewSelectedBy/TypeName='PsMigrate.Engine.Model.GuestDirtyRate']/TableControl//TableColumnItem"
        @(Read-View $path $shown)[-1] | Should -Be '0.0'
    }

    It 'finds nothing where nothing runs' {
        New-MigrationGuest $name 8MB -Workload Random -Suspended
        (Measure-GuestDirtyRate $name -Duration 50ms).DirtyRate | Should -Be 0
        (Get-MigrationGuest $name).State | Should -Be 'Suspended'
    }

    It 'measures all guests of the pipeline, each once, by name or as they are' {
        New-MigrationGuest "$name-a", "$name-b" 8MB -DirtyRate 10MB
        (Get-MigrationGuest "$name*" | Measure-GuestDirtyRate -Duration 50ms).Name | Should -Be @("$name-a", "$name-b")
        (Measure-GuestDirtyRate "$name-b", "$name-*" -Duration 50ms).Name | Should -Be @("$name-b", "$name-a")
        ([pscustomobject]@{ Name = "$name-a" } | Measure-GuestDirtyRate -Duration 50ms).Name | Should -Be "$name-a"
    }

    It 'lets the guests be when the pipeline ends early' {
        New-MigrationGuest "$name-a", "$name-b" 8MB -DirtyRate 10MB
        $first = foreach ($once in 1) { Get-MigrationGuest "$name*" | Measure-GuestDirtyRate -Duration 50ms | ForEach-Object { $_; break } }
        $first.Name | Should -Be "$name-a"
        (Get-MigrationGuest "$name*").IsBusy | Should -Be @($false, $false)
    }

    It 'ends at once with Ctrl+C, and lets the guests be' {
        $guest = New-MigrationGuest $name 8MB -DirtyRate 10MB -PassThru
        Invoke-WithStop { param($name) Measure-GuestDirtyRate $name -Duration 60s } -ArgumentList $name -Until { $guest.IsBusy } | Should -BeNullOrEmpty
        $guest.IsBusy | Should -BeFalse
        $guest.State | Should -Be 'Running'
    }

    It 'leaves a guest that is being migrated, and is not migrated meanwhile' {
        $guest = New-MigrationGuest $name 8MB -DirtyRate 10MB -PassThru
        $job = Start-VmMigration $name "local:$name-to" -MaxBandwidth 100KB -PauseBeforeSwitchover -AsJob
        $null = Wait-Until { $guest.IsBusy }
        Measure-GuestDirtyRate $name -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].FullyQualifiedErrorId | Should -Be 'GuestBusy,PsMigrate.Commands.MeasureGuestDirtyRateCommand'
        $job | Remove-Job -Force
        $null = Wait-Until { -not $guest.IsBusy }
        $run = Start-InRunspace { param($name) Measure-GuestDirtyRate $name -Duration 60s } -ArgumentList $name
        $null = Wait-Until { $guest.IsBusy }
        Start-VmMigration $name "local:$name-to" -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].Exception.Id | Should -Be 'GuestBusy'
        $null = Stop-InRunspace $run
    }

    It 'refuses <Arguments>' -ForEach @(
        @{ Arguments = @{ Duration = '10ms' }; Id = 'InvalidParameter' }
        @{ Arguments = @{ Duration = '61s' }; Id = 'InvalidParameter' }
        @{ Arguments = @{ SamplePages = 100 }; Id = 'InvalidParameter' }
        @{ Arguments = @{ SamplePages = 512; Mode = 'DirtyBitmap' }; Id = 'InvalidParameter' }
        @{ Arguments = @{ SamplePages = 512 }; Id = 'UnsupportedByGuest' }
        @{ Arguments = @{ Mode = 'PageSampling' }; Id = 'UnsupportedByGuest' }
        @{ Arguments = @{ Mode = 'DirtyRing' }; Id = 'UnsupportedByGuest' }
    ) {
        $guest = New-MigrationGuest $name 8MB -PassThru
        Measure-GuestDirtyRate $name @Arguments -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].Exception.Id | Should -Be $Id
        $guest.IsBusy | Should -BeFalse
    }

    It 'misses a name that nobody has, and goes on' {
        New-MigrationGuest $name 8MB
        (Measure-GuestDirtyRate "$name-x", $name -Duration 50ms -ErrorVariable failed -ErrorAction SilentlyContinue).Name | Should -Be $name
        $failed[0].Exception.Id | Should -Be 'GuestNotFound'
    }

    Context 'with a QEMU' -Skip:(-not $qemu) {
        BeforeAll { $machine = Start-TestQemu -ArgumentList '-M', 'pc', '-m', '32M' }

        AfterAll { Stop-TestQemu $machine }

        BeforeEach { $guest = Connect-MigrationGuest $machine.Uri -Name "driven-$name" }

        AfterEach { Get-MigrationGuest "driven-$name" | Disconnect-MigrationGuest }

        It 'asks QEMU, in its units' {
            $rate = $guest | Measure-GuestDirtyRate -Duration 1 -SamplePages 1024
            $rate.Name | Should -Be $guest.Name
            $rate.Mode | Should -Be 'PageSampling'
            $rate.Qemu.Status | Should -Be 'measured'
            $rate.Qemu.SamplePages | Should -Be 1024
            if ($guest.QemuVersion -lt [version]'8.2') {
                $rate.Duration | Should -Be ([timespan]::FromSeconds(1))
                $rate.Qemu.CalcTime | Should -Be 1
            }
            else { $rate.Qemu.CalcTime | Should -BeGreaterOrEqual 650 }
            $rate.DirtyRate | Should -Be ($rate.Qemu.DirtyRate * 1MB)
        }

        It 'asks QEMU for several intervals' {
            $rate = $guest | Measure-GuestDirtyRate
            $rate.Curve.Points.Count | Should -Be $(if ($guest.QemuVersion -lt [version]'8.2') { 2 } else { 6 })
            $rate.Curve.Points[-1].Interval | Should -Be $rate.Duration
            $rate.Curve.TotalBytes | Should -Be $guest.MemorySize
            # A machine that has booted nothing.
            $rate.Curve.ZeroShare | Should -BeGreaterThan 0.9
            $rate.Curve.ZeroShare | Should -BeLessOrEqual 1
        }

        It 'says what QEMU lacks' {
            $guest | Measure-GuestDirtyRate -Duration 100ms -ErrorVariable failed -ErrorAction SilentlyContinue | Should -HaveCount ([int]($guest.QemuVersion -ge [version]'8.2'))
            if ($guest.QemuVersion -lt [version]'8.2') {
                $failed[0].FullyQualifiedErrorId | Should -BeLike 'UnsupportedByQemu,*'
                "$($failed[0])" | Should -BeLike '*needs QEMU 8.2*'
            }
        }

        It 'refuses mode <_> without KVM, and QEMU lives' -ForEach 'DirtyBitmap', 'DirtyRing' {
            $guest | Measure-GuestDirtyRate -Mode $_ -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
            $failed[0].FullyQualifiedErrorId | Should -Be 'RequiresKvm,PsMigrate.Commands.MeasureGuestDirtyRateCommand'
            $guest.State | Should -Be 'Running'
        }

        It 'ends at once with Ctrl+C' {
            Invoke-WithStop { param($name) Measure-GuestDirtyRate $name -Duration 60s } -ArgumentList $guest.Name -Until {
                (Invoke-TestMonitor $machine 'info dirty_rate') -like '*measuring*'
            } | Should -BeNullOrEmpty
            $guest.State | Should -Be 'Running'
        }

        It 'leaves a QEMU that measures already to it' {
            # What an earlier test began it measures to its end.
            $null = Wait-Until { (Invoke-TestMonitor $machine 'calc_dirty_rate 60') -like '*period 60*' }
            $guest | Measure-GuestDirtyRate -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'GuestBusy,*'
            $guest.State | Should -Be 'Running'
        }
    }
}
