BeforeAll {
    . $PSScriptRoot/common.ps1
}

Describe 'Get-MigrationReceiver' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
        $receiver = Start-MigrationReceiver -HostName "$name-to"
    }

    AfterEach {
        Stop-Migration "$name*" | Where-Object { $false }
        Get-Job | Where-Object { $_ -is [PsMigrate.Jobs.MigrationJob] } | Remove-Job -Force
        Get-MigrationReceiver | Where-Object { $_.HostName -like "$name*" } | Stop-MigrationReceiver
        Remove-MigrationGuest "$name*" -Force
    }

    It 'gets a receiver by its number' {
        $found = Get-MigrationReceiver $receiver.Id
        $found | Should -BeOfType 'PsMigrate.Engine.ReceiverState'
        "$($found.Uri)" | Should -Be "$($receiver.Uri)"
        $found.State | Should -Be 'Listening'
    }

    It 'gets all without a number' {
        $second = Start-MigrationReceiver -HostName "$name-2"
        @(Get-MigrationReceiver | Where-Object { $_.HostName -like "$name*" }).Id | Should -Be @($receiver.Id, $second.Id)
    }

    It 'takes numbers from properties' {
        ($receiver | Get-MigrationReceiver).Id | Should -Be $receiver.Id
        ([pscustomobject]@{ ReceiverId = $receiver.Id } | Get-MigrationReceiver).Id | Should -Be $receiver.Id
    }

    It 'shows what is on its way' {
        New-MigrationGuest $name 8MB -Content Random
        $null = Start-VmMigration $name $receiver -MaxBandwidth 100KB -AsJob
        $now = Wait-Until { Get-MigrationReceiver $receiver.Id | Where-Object { $_.ActiveCount -eq 1 -and $_.Incoming[0].State -eq 'Active' } }
        $now.Incoming | Should -HaveCount 1
        $now.Incoming[0].Name | Should -Be $name
        $now.Incoming[0].TotalBytes | Should -Be 8MB
        $null = Stop-Migration $name
        $now = Wait-Until { Get-MigrationReceiver $receiver.Id | Where-Object { $_.FailedCount -eq 1 } }
        $now.ActiveCount | Should -Be 0
        $now.ArrivedCount | Should -Be 0
    }

    It 'counts what has arrived' {
        New-MigrationGuest $name 8MB
        $null = Start-VmMigration $name $receiver
        (Wait-Until { Get-MigrationReceiver $receiver.Id | Where-Object { $_.ArrivedCount -eq 1 } }).ActiveCount | Should -Be 0
    }

    It 'misses a number that nobody has' {
        Get-MigrationReceiver 2147483647 -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].FullyQualifiedErrorId | Should -Be 'ReceiverNotFound,PsMigrate.Commands.GetMigrationReceiverCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'ObjectNotFound'
    }

    It 'completes numbers' {
        $line = 'Get-MigrationReceiver -Id '
        $found = [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches
        $found.CompletionText | Should -Contain "$($receiver.Id)"
    }
}
