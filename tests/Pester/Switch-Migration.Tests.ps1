BeforeAll {
    . $PSScriptRoot/common.ps1
}

Describe 'Switch-Migration' {
    BeforeEach { $failed = $null }

    It 'misses what is not known' {
        Switch-Migration -Name (New-TestName) -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'MigrationNotFound,*'
    }

    Context 'with a guest of this process' {
        BeforeAll {
            $name = New-TestName
            $null = New-MigrationGuest $name 16MB -Workload Random -DirtyRate 400MB -Content Random -PassThru
            $job = Start-VmMigration $name "local:$name-to" -MaxBandwidth 40MB -MaxDowntime 1ms -AsJob
        }

        AfterAll {
            Stop-Migration $name | Where-Object { $false }
            $job | Remove-Job -Force
            Remove-MigrationGuest "$name*" -Force
        }

        It 'is for guests of a QEMU' {
            Switch-Migration -Name $name -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'UnsupportedByGuest,*'
        }

        It 'says what would happen with -WhatIf, and does nothing' {
            Switch-Migration -Name $name -PassThru -WhatIf | Should -BeNullOrEmpty
            (Get-MigrationState -Name $name).State | Should -BeIn 'Setup', 'Active'
        }
    }
}
