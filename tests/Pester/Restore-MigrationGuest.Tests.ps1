BeforeAll {
    . $PSScriptRoot/common.ps1
}

Describe 'Restore-MigrationGuest' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
        $folder = [System.IO.Directory]::CreateDirectory("$TestDrive/$name").FullName
        $guest = New-MigrationGuest $name 16MB -DirtyRate 20MB -Content Mixed -PassThru
        $saved = Save-MigrationGuest $name "$folder/$name.vmstate"
        Remove-MigrationGuest $name -Force
    }

    AfterEach {
        Remove-MigrationGuest "$name*" -Force
    }

    It 'brings the guest back, running as it ran' {
        $back = Restore-MigrationGuest $saved.Path
        $back.Name | Should -Be $name
        $back.Uuid | Should -Be $guest.Uuid
        $back.State | Should -Be 'Running'
        $null = Wait-Until { $back.Ticks[0] -gt 10 }
        (Get-MigrationGuest $name).Uuid | Should -Be $guest.Uuid
    }

    It 'leaves it suspended with -Suspended, exactly as it was' {
        $back = Restore-MigrationGuest $saved.Path -Suspended
        $back.State | Should -Be 'Suspended'
        $back.Digest() | Should -Be $saved.Digest
    }

    It 'gives it another name and another host' {
        $back = Restore-MigrationGuest $saved.Path -Name "$name-other" -HostName "$name-host"
        $back.Name | Should -Be "$name-other"
        $back.Host | Should -Be "$name-host"
    }

    It 'takes <What> from the pipeline' -ForEach @(
        @{ What = 'a path'; Make = { param($path) $path } }
        @{ What = 'a file'; Make = { param($path) [System.IO.FileInfo]::new($path) } }
        @{ What = 'an object with FullName'; Make = { param($path) [pscustomobject]@{ FullName = $path } } }
    ) {
        (& $Make $saved.Path | Restore-MigrationGuest).Name | Should -Be $name
    }

    It 'takes what Save-MigrationGuest gave' {
        ($saved | Restore-MigrationGuest -Suspended).Digest() | Should -Be $saved.Digest
    }

    It 'finds files by wildcards, and none is no error' {
        New-MigrationGuest "$name-2" 8MB
        Save-MigrationGuest "$name-2" $folder -PassThru | Remove-MigrationGuest -Force
        $back = Restore-MigrationGuest "$folder/*.vmstate" -HostName "$name-host"
        @($back.Name | Where-Object { $_ -in $name, "$name-2" }) | Should -HaveCount 2
        Restore-MigrationGuest "$folder/*.none" -ErrorVariable failed | Should -BeNullOrEmpty
        $failed | Should -BeNullOrEmpty
    }

    It 'takes a literal path as it is' {
        [System.IO.File]::Copy($saved.Path, "$folder/a[1].vmstate")
        (Restore-MigrationGuest -LiteralPath "$folder/a[1].vmstate").Name | Should -Be $name
    }

    It 'reads from a command' {
        (Restore-MigrationGuest -Uri "exec:cat '$($saved.Path)'" -Suspended).Digest() | Should -Be $saved.Digest
    }

    It 'runs a command where PowerShell is' {
        $paths = $ExecutionContext.SessionState.Path
        $before = $paths.CurrentLocation.Path
        $null = $paths.SetLocation($folder)
        try { (Restore-MigrationGuest -Uri "exec:cat '$name.vmstate'" -Suspended).Digest() | Should -Be $saved.Digest }
        finally { $null = $paths.SetLocation($before) }
    }

    It 'says why a command failed' {
        Restore-MigrationGuest -Uri 'exec:echo no such luck >&2; exit 4' -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -Be 'CommandFailed,PsMigrate.Commands.RestoreMigrationGuestCommand'
        "$($failed[0])" | Should -BeLike '*no such luck*'
    }

    It 'refuses an address that is no file and no command' {
        Restore-MigrationGuest -Uri 'tcp:127.0.0.1:4444' -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'UnsupportedUri,*'
    }

    It 'misses a file, refuses a damaged one with its place, and goes on' {
        $bytes = [System.IO.File]::ReadAllBytes($saved.Path)
        [System.IO.File]::WriteAllBytes("$folder/cut", $bytes[0..5000])
        $back = Restore-MigrationGuest "$folder/none", "$folder/cut", $saved.Path -ErrorVariable failed -ErrorAction SilentlyContinue
        $back.Name | Should -Be $name
        $failed | Should -HaveCount 2
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'FileFailed,*'
        $failed[1].FullyQualifiedErrorId | Should -BeLike 'UnexpectedEnd,*'
        $failed[1].Exception.StreamOffset | Should -BeGreaterThan 0
        $failed[1].TargetObject | Should -Be "$folder/cut"
    }

    It 'refuses a name that is taken, and one that can not be' {
        Restore-MigrationGuest $saved.Path | Should -Not -BeNullOrEmpty
        Restore-MigrationGuest $saved.Path -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'DuplicateGuestName,*'
        Restore-MigrationGuest $saved.Path -Name '*' -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidGuestName,*'
        Get-MigrationGuest "$name*" | Should -HaveCount 1
    }

    It 'restores nothing with -WhatIf' {
        Restore-MigrationGuest $saved.Path -WhatIf | Should -BeNullOrEmpty
        Get-MigrationGuest "$name*" | Should -BeNullOrEmpty
    }

    It 'keeps the guests that were taken when the pipeline ends early' {
        [System.IO.File]::Copy($saved.Path, "$folder/second")
        foreach ($once in 1) {
            Restore-MigrationGuest $saved.Path, "$folder/second" -HostName "$name-host" | ForEach-Object { break }
        }
        Get-MigrationGuest "$name*" | Should -HaveCount 1
    }

    It 'ends a command that hangs on Ctrl+C, and leaves nothing' {
        $marker = "$folder/began"
        $null = Invoke-WithStop { param($marker) Restore-MigrationGuest -Uri "exec:touch '$marker'; sleep 1000" } -ArgumentList $marker -Until {
            [System.IO.File]::Exists($marker)
        }
        Get-MigrationGuest "$name*" | Should -BeNullOrEmpty
    }

    It 'brings back what Start-VmMigration wrote to <Kind>' -ForEach @(
        @{ Kind = 'a file'; Scheme = 'file:{0}' }
        @{ Kind = 'a command'; Scheme = 'exec:cat > {0}' }
    ) {
        $moving = Restore-MigrationGuest $saved.Path
        $final = Start-VmMigration $name ($Scheme -f "$folder/moved") | Where-Object { $_.IsFinal }
        $final.Result.Location | Should -Be 'File'
        $moving.State | Should -Be 'PostMigrate'
        $moving | Resume-MigrationGuest -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'GuestRunsElsewhere,*'
        Remove-MigrationGuest $name -Force
        (Restore-MigrationGuest "$folder/moved").State | Should -Be 'Running'
    }
}
