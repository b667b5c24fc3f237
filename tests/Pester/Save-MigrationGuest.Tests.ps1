BeforeAll {
    . $PSScriptRoot/common.ps1
}

Describe 'Save-MigrationGuest' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
        $folder = [System.IO.Directory]::CreateDirectory("$TestDrive/$name").FullName
        $guest = New-MigrationGuest $name 16MB -DirtyRate 20MB -Content Mixed -PassThru
    }

    AfterEach {
        Remove-MigrationGuest "$name*" -Force
    }

    It 'writes a guest that runs on, and says what it wrote' {
        $saved = Save-MigrationGuest $name "$folder/one"
        $saved | Should -BeOfType [PsMigrate.Engine.SavedGuest]
        $saved.Path | Should -Be "$folder/one"
        $saved.Name | Should -Be $name
        $saved.Length | Should -Be ([System.IO.FileInfo]::new("$folder/one").Length)
        $saved.NormalPages + $saved.ZeroPages | Should -Be (16MB / 4096)
        $saved.Digest | Should -Match '^[0-9a-f]{32}$'
        $saved.Duration.TotalSeconds | Should -BeGreaterThan 0
        $saved.HeldTime.TotalSeconds | Should -BeGreaterThan 0
        $guest.State | Should -Be 'Running'
    }

    It 'writes a guest that stands, in layout <Layout>, so that it comes back the same' -ForEach @(
        @{ Layout = 'Stream' }, @{ Layout = 'MappedRam' }
    ) {
        Suspend-MigrationGuest $name
        $saved = Save-MigrationGuest $name "$folder/held" -Layout $Layout
        $saved.Layout | Should -Be $Layout
        $saved.HeldTime | Should -Be ([timespan]::Zero)
        $saved.Digest | Should -Be $guest.Digest()
        $back = $saved | Restore-MigrationGuest -Name "$name-back"
        $back.Digest() | Should -Be $saved.Digest
        $back.Ticks[0] | Should -Be $guest.Ticks[0]
    }

    It 'leaves out what a QEMU would refuse, with -Format Qemu' {
        $saved = Save-MigrationGuest $name "$folder/ram" -Format Qemu
        $saved.LeftOut | Should -Contain 'psmigrate/cpu/0'
        (Restore-MigrationGuest "$folder/ram" -Name "$name-ram").Kind | Should -Be 'Captured'
    }

    It 'names the file like the guest in a folder, one for each guest' {
        New-MigrationGuest "$name-2" 8MB
        $saved = Get-MigrationGuest "$name*" | Save-MigrationGuest -Path $folder
        $saved.Path | Should -Be @("$folder/$name.vmstate", "$folder/$name-2.vmstate")
        [System.IO.Directory]::GetFiles($folder) | Should -HaveCount 2
    }

    It 'takes a path from the present location' {
        $paths = $ExecutionContext.SessionState.Path
        $before = $paths.CurrentLocation
        $null = $paths.SetLocation($folder)
        try { (Save-MigrationGuest $name 'here').Path | Should -Be "$folder/here" }
        finally { $null = $paths.SetLocation($before.Path) }
    }

    It 'keeps an old file, unless it is forced' {
        [System.IO.File]::WriteAllText("$folder/old", 'old')
        Save-MigrationGuest $name "$folder/old" -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].FullyQualifiedErrorId | Should -Be 'FileFailed,PsMigrate.Commands.SaveMigrationGuestCommand'
        [System.IO.File]::ReadAllText("$folder/old") | Should -Be 'old'
        Save-MigrationGuest $name "$folder/old" -Force | Should -Not -BeNullOrEmpty
        [System.IO.FileInfo]::new("$folder/old").Length | Should -BeGreaterThan 1000
    }

    It 'does not put two guests into one file, whatever is forced' {
        New-MigrationGuest "$name-2" 8MB
        $saved = Save-MigrationGuest $name, "$name-2" "$folder/one" -Force -ErrorVariable failed -ErrorAction SilentlyContinue
        $saved.Name | Should -Be $name
        $failed | Should -HaveCount 1
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidParameter,*'
    }

    It 'refuses <What>' -ForEach @(
        @{ What = 'a folder that is not there'; Path = 'no/such/folder/file' }
        @{ What = 'a path of another provider'; Path = 'variable:file' }
    ) {
        $target = if ($Path -like 'variable:*') { $Path } else { "$folder/$Path" }
        Save-MigrationGuest $name $target -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed | Should -HaveCount 1
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'FileFailed,*'
        $guest.State | Should -Be 'Running'
    }

    It 'misses a name that nobody has, and goes on' {
        $saved = Save-MigrationGuest "$name-x", $name $folder -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'GuestNotFound,*'
        $saved.Name | Should -Be $name
    }

    It 'refuses a guest that was migrated away, and one that is being migrated' {
        $job = Start-VmMigration $name "local:$name-to" -MaxBandwidth 100KB -MaxDowntime 1ms -AsJob
        $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'Active' }
        Save-MigrationGuest $name "$folder/busy" -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'GuestBusy,*'
        $job | Stop-Job
        $job | Remove-Job
        Start-VmMigration $name "local:$name-to" -KeepSource | Where-Object { $false }
        $guest | Save-MigrationGuest -Path "$folder/moved" -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'GuestRunsElsewhere,*'
        [System.IO.Directory]::GetFiles($folder) | Should -BeNullOrEmpty
    }

    It 'gives the guests out with -PassThru' {
        (Get-MigrationGuest $name | Save-MigrationGuest -Path $folder -PassThru).Uuid | Should -Be $guest.Uuid
    }

    It 'writes nothing with -WhatIf' {
        Save-MigrationGuest $name $folder -WhatIf | Should -BeNullOrEmpty
        [System.IO.Directory]::GetFiles($folder) | Should -BeNullOrEmpty
    }

    It 'leaves whole files alone when the pipeline ends early' {
        New-MigrationGuest "$name-2" 8MB
        $taken = @()
        foreach ($once in 1) {
            Get-MigrationGuest "$name*" | Save-MigrationGuest -Path $folder | ForEach-Object { $taken += $_; break }
        }
        $taken | Should -HaveCount 1
        [System.IO.Directory]::GetFiles($folder) | Should -Be @("$folder/$name.vmstate")
        Restore-MigrationGuest "$folder/$name.vmstate" -Name "$name-back" | Should -Not -BeNullOrEmpty
    }

    It 'leaves no half file on Ctrl+C, and the guest running' {
        $big = New-MigrationGuest "$name-big" 1GB -Content Random -DirtyRate 10MB -PassThru
        $null = Invoke-WithStop { param($name, $folder) Save-MigrationGuest $name $folder -ErrorAction Stop } -ArgumentList "$name-big", $folder -Until {
            $big.IsBusy
        }
        $big.State | Should -Be 'Running'
        $big.IsBusy | Should -BeFalse
        $left = @([System.IO.Directory]::GetFiles($folder))
        # The machine may have been quicker than the stop: then the file is whole.
        if ($left.Count -gt 0) { (Restore-MigrationGuest $left[0] -Name "$name-back" -Suspended).MemorySize | Should -Be 1GB }
        else { $left | Should -HaveCount 0 }
    }
}
