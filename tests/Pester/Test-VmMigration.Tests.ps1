BeforeAll { . $PSScriptRoot/common.ps1 }

Describe 'Test-VmMigration' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
    }

    AfterEach { Remove-MigrationGuest "$name*" -Force }

    It 'forecasts a guest that does nothing' {
        $guest = New-MigrationGuest $name 16MB -Content Random -Workload Idle -PassThru
        $forecast = Test-VmMigration $name "local:$name-to" -Bandwidth 100MB -MaxBandwidth 20MB -Duration 200ms
        $forecast | Should -BeOfType 'PsMigrate.Engine.Model.MigrationForecast'
        $forecast.Name | Should -Be $name
        $forecast.HostName | Should -Be 'local'
        $forecast.Destination | Should -Be "local:$name-to"
        $forecast.Verdict | Should -Be 'Converges'
        $forecast.IsProbable | Should -BeFalse
        $forecast.Bottleneck | Should -Be 'BandwidthCapped'
        $forecast.BandwidthOrigin | Should -Be 'Given'
        $forecast.Bandwidth | Should -Be 100MB
        $forecast.Passes.Count | Should -Be 2
        $forecast.TransferredBytes.Value | Should -BeGreaterOrEqual 16MB
        $forecast.TransferredBytes.Value | Should -BeLessThan 17MB
        # 16 MB at 20 MB/s, of which 300 ms need not be waited for.
        $forecast.TotalTime.Value.TotalSeconds | Should -BeGreaterThan 0.4
        $forecast.TotalTime.Value.TotalSeconds | Should -BeLessThan 1
        $forecast.Downtime.Least | Should -BeLessThan $forecast.Downtime.Value
        $forecast.Downtime.Most | Should -BeGreaterThan $forecast.Downtime.Value
        $forecast.Assumptions.Count | Should -BeGreaterThan 3
        $guest.IsBusy | Should -BeFalse
        $guest.State | Should -Be 'Running'
    }

    It 'says what would help a guest that writes too fast' {
        New-MigrationGuest $name 32MB -Content Random -Workload Random -DirtyRate 0 -WriteSize 4096
        $forecast = Test-VmMigration $name "local:$name-to" -Bandwidth 5MB -MaxDowntime 10ms -Duration 200ms
        $forecast.Verdict | Should -Be 'ConvergesWith'
        $forecast.TotalTime | Should -BeNullOrEmpty
        $forecast.Downtime | Should -BeNullOrEmpty
        $forecast.Levers.Kind | Should -Contain 'MaxDowntime'
        $forecast.Levers.Kind | Should -Contain 'Postcopy'
        foreach ($lever in $forecast.Levers) { "$lever" | Should -BeLike "$($lever.Setting): * s, downtime * ms, * MB" }
    }

    It 'remembers what the link carried, and says so' {
        New-MigrationGuest $name, "$name-b" 32MB -Content Random -Workload Idle
        $null = Start-VmMigration $name "local:$name-to"
        $forecast = Test-VmMigration "$name-b" "local:$name-to" -Duration 50ms
        $forecast.BandwidthOrigin | Should -Be 'Remembered'
        $forecast.Bandwidth | Should -BeGreaterThan 1MB
        $forecast.Assumptions -like '*migration*to there*' | Should -HaveCount 1
    }

    It 'takes the limit where nothing else is known, and refuses where nothing is' {
        $guest = New-MigrationGuest $name 16MB -PassThru
        (Test-VmMigration $name "tcp:$name.example:4444" -MaxBandwidth 50MB -Duration 50ms).BandwidthOrigin | Should -Be 'Limit'
        Test-VmMigration $name "tcp:$name.example:4444" -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].FullyQualifiedErrorId | Should -Be 'InvalidParameter,PsMigrate.Commands.TestVmMigrationCommand'
        "$($failed[0])" | Should -BeLike '*give -Bandwidth*'
        $guest.IsBusy | Should -BeFalse
    }

    It 'pipes into Start-VmMigration, whose result shows what was promised' {
        New-MigrationGuest $name 16MB -Content Random -DirtyRate 1MB
        $forecast = Test-VmMigration $name "local:$name-to" -Bandwidth 500MB -MaxBandwidth 40MB -MaxDowntime 120ms -Duration 200ms
        $last = @($forecast | Start-VmMigration)[-1]
        $last.Result.State | Should -Be 'Completed'
        $last.Result.Destination | Should -Be "local:$name-to"
        $last.Result.MaxDowntime | Should -Be ([timespan]::FromMilliseconds(120))
        (Get-MigrationState -Id $last.Id).Parameters.MaxBandwidth | Should -Be 40MB
        $last.Result.Promised.Verdict | Should -Be 'Converges'
        $last.Result.Promised.TotalTime | Should -Be $forecast.TotalTime
        $last.Result.Promised.Downtime | Should -Be $forecast.Downtime
        "$($last.Result.Promised)" | Should -BeLike '*, downtime *'
        $rows = $last.Result.Comparison
        $rows.What | Should -Be @('Total time', 'Downtime', 'Downtime: final RAM', 'Downtime: state', 'Downtime: the rest', 'Sent')
        $rows[0].Promised | Should -Be $forecast.TotalTime.Value.TotalSeconds
        $rows[0].Actual | Should -Be $last.Result.TotalTime.TotalSeconds
        $rows[0].IsKept | Should -Be $forecast.TotalTime.Holds($last.Result.TotalTime)
        foreach ($figure in 'Promised', 'Actual') {
            $sum = [Linq.Enumerable]::Sum([double[]] $rows[2..4].$figure)
            $sum | Should -BeGreaterThan ($rows[1].$figure * 0.99)
            $sum | Should -BeLessThan ($rows[1].$figure * 1.01)
        }
        Read-View "//View[Name='PromiseComparison']//TableColumnItem" $rows[1] | Should -HaveCount 7
        Read-View "//View[Name='MigrationResult']//ListItem[Label='Against what came']" $last.Result | Should -Match '^Total time: .* s, promised .* \(.* to .*\), (not )?kept'
    }

    It 'measures all guests of the pipeline, each once' {
        New-MigrationGuest "$name-a", "$name-b" 16MB -DirtyRate 1MB
        (Get-MigrationGuest "$name*" | Test-VmMigration -Destination "local:$name-to" -Bandwidth 100MB -Duration 50ms).Name | Should -Be @("$name-a", "$name-b")
        (Test-VmMigration "$name-b", "$name-*" "local:$name-to" -Bandwidth 100MB -Duration 50ms).Name | Should -Be @("$name-b", "$name-a")
    }

    It 'forecasts with <What>' -ForEach @(
        @{ What = 'channels that compress'; Arguments = @{ Channels = 2; Compression = 'Zstd' }; Least = 1MB; Most = 10MB }
        @{ What = 'QEMU''s means'; Arguments = @{ Means = 'Qemu' }; Least = 16MB; Most = 17MB }
        @{ What = 'differences'; Arguments = @{ Means = 'Qemu'; Xbzrle = $true }; Least = 16MB; Most = 17MB }
    ) {
        New-MigrationGuest $name 16MB -Content Text -Workload Idle
        $forecast = Test-VmMigration $name "local:$name-to" -Bandwidth 100MB -MaxBandwidth 40MB -Duration 50ms @Arguments
        $forecast.TransferredBytes.Value | Should -BeGreaterThan $Least
        $forecast.TransferredBytes.Value | Should -BeLessThan $Most
        $last = @($forecast | Start-VmMigration -Xbzrle:($Arguments.Xbzrle -eq $true))[-1]
        $last.Result.State | Should -Be 'Completed'
        $parameters = (Get-MigrationState -Id $last.Id).Parameters
        foreach ($argument in $Arguments.Keys) { $parameters.$argument | Should -Be $Arguments[$argument] }
        $last.Result.TransferredBytes | Should -BeGreaterThan $Least
        $last.Result.TransferredBytes | Should -BeLessThan $Most
    }

    It 'probes a receiver that is named, and nobody else' {
        New-MigrationGuest $name 16MB -Content Random -Workload Idle
        $receiver = Start-MigrationReceiver tcp:127.0.0.1:0 -HostName "$name-to"
        try {
            $forecast = Test-VmMigration $name $receiver -Probe $receiver -Duration 50ms
            $forecast.BandwidthOrigin | Should -Be 'Probed'
            $forecast.Bandwidth | Should -BeGreaterThan 1MB
            $forecast.Verdict | Should -Be 'Converges'
            $forecast.Assumptions -like '*as a probe had it*' | Should -HaveCount 1
            { Test-VmMigration $name $receiver -Probe $receiver -Bandwidth 1GB -ErrorAction Stop } |
                Should -Throw -ErrorId 'InvalidParameter,PsMigrate.Commands.TestVmMigrationCommand'
            $WhatIfPreference = $true
            { Test-VmMigration $name $receiver -Probe $receiver -ErrorAction Stop } |
                Should -Throw -ErrorId 'InvalidParameter,PsMigrate.Commands.TestVmMigrationCommand'
            $WhatIfPreference = $false
            $receiver.ArrivedCount | Should -Be 0
            $receiver.FailedCount | Should -Be 0
        }
        finally { $receiver | Stop-MigrationReceiver }
    }

    It 'probes a receiver by TLS, with the certificates that a migration would have' {
        . $PSScriptRoot/tls.ps1
        $folder = New-TestPki
        New-MigrationGuest $name 16MB -Workload Idle
        $receiver = Start-MigrationReceiver tcp:127.0.0.1:0 -HostName "$name-to" -TlsDirectory $folder
        try {
            { Test-VmMigration $name $receiver -Probe $receiver -Duration 50ms -ErrorAction Stop } |
                Should -Throw -ErrorId 'TlsRequired,PsMigrate.Commands.TestVmMigrationCommand'
            { Test-VmMigration $name $receiver -TlsDirectory $folder -Duration 50ms -ErrorAction Stop } |
                Should -Throw '*only with -Probe*' -ErrorId 'InvalidParameter,PsMigrate.Commands.TestVmMigrationCommand'
            (Test-VmMigration $name $receiver -Probe $receiver -TlsDirectory $folder -Duration 50ms).BandwidthOrigin | Should -Be 'Probed'
            $parts = @{ Certificate = "$folder/client-cert.pem"; CertificateKey = "$folder/client-key.pem"; TrustedCertificate = "$folder/ca-cert.pem" }
            (Test-VmMigration $name $receiver -Probe $receiver @parts -AuthorizedSubject 'CN=server*' -Duration 50ms).BandwidthOrigin | Should -Be 'Probed'
            { Test-VmMigration $name $receiver -Probe $receiver @parts -TlsHostName elsewhere -Duration 50ms -ErrorAction Stop } |
                Should -Throw -ErrorId 'CertificateRejected,PsMigrate.Commands.TestVmMigrationCommand'
        }
        finally {
            $receiver | Stop-MigrationReceiver
            [System.IO.Directory]::Delete($folder, $true)
        }
    }

    It 'says that what it probes is no receiver' {
        $guest = New-MigrationGuest $name 16MB -PassThru
        $listener = [System.Net.Sockets.TcpListener]::new([ipaddress]::Loopback, 0)
        $listener.Start()
        $run = Start-InRunspace { param($listener)
            $client = $listener.AcceptTcpClient()
            $client.GetStream().Write([byte[]](1..32), 0, 32)
            $null = $client.GetStream().Read([byte[]]::new(64), 0, 64)
            $client.Dispose()
        } -ArgumentList $listener
        try {
            { Test-VmMigration $name local:there -Probe "tcp:127.0.0.1:$($listener.LocalEndpoint.Port)" -ErrorAction Stop } |
                Should -Throw -ErrorId 'NoReceiver,PsMigrate.Commands.TestVmMigrationCommand'
        }
        finally { $listener.Stop() }
        Wait-InRunspace $run
        $guest.IsBusy | Should -BeFalse
    }

    It 'ends at once with Ctrl+C, and lets the guests be' {
        $guest = New-MigrationGuest $name 8MB -DirtyRate 10MB -PassThru
        Invoke-WithStop { param($name) Test-VmMigration $name "local:$name-to" -Bandwidth 100MB -Duration 60s } -ArgumentList $name -Until { $guest.IsBusy } | Should -BeNullOrEmpty
        $guest.IsBusy | Should -BeFalse
        $guest.State | Should -Be 'Running'
    }

    It 'refuses <Arguments>' -ForEach @(
        @{ Arguments = @{ Bandwidth = 0 } }
        @{ Arguments = @{ Bandwidth = -1 } }
        @{ Arguments = @{ Bandwidth = 1MB; MaxBandwidth = -1 } }
        @{ Arguments = @{ Bandwidth = 1MB; MaxDowntime = 0 } }
        @{ Arguments = @{ Bandwidth = 1MB; Duration = '10ms' } }
        @{ Arguments = @{ Bandwidth = 1MB; Compression = 'Zstd' } }
        @{ Arguments = @{ Bandwidth = 1MB; Channels = 2; Xbzrle = $true } }
        @{ Arguments = @{ Bandwidth = 1MB; Channels = 256 } }
    ) {
        $guest = New-MigrationGuest $name 8MB -PassThru
        { Test-VmMigration $name "local:$name-to" @Arguments -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,PsMigrate.Commands.TestVmMigrationCommand'
        $guest.IsBusy | Should -BeFalse
    }

    It 'misses a name that nobody has, and goes on' {
        New-MigrationGuest $name 8MB
        (Test-VmMigration "$name-x", $name "local:$name-to" -Bandwidth 100MB -Duration 50ms -ErrorVariable failed -ErrorAction SilentlyContinue).Name | Should -Be $name
        $failed[0].Exception.Id | Should -Be 'GuestNotFound'
    }

    It 'looks like a table, a list and a sentence' {
        New-MigrationGuest $name 16MB -Content Random -Workload Idle
        $forecast = Test-VmMigration $name "local:$name-to" -Bandwidth 100MB -MaxBandwidth 20MB -Duration 50ms
        Read-View "//View[Name='MigrationForecast']//TableColumnItem" $forecast |
            Should -Be @($name, "local:$name-to", 'Converges', '2', "$($forecast.TotalTime)", "$($forecast.Downtime)", 'BandwidthCapped')
        $list = Read-View "//View[Name='MigrationForecast']//ListItem" $forecast
        $list | Should -Contain '100 MB/s (Given), at most 20 MB/s used'
        $list | Should -Contain ($forecast.Assumptions -join "`n")
        [PsMigrate.ForecastText]::Sentence($forecast) | Should -Be ("Forecast: it ends after 2 passes and $($forecast.TotalTime), the guest stands for " +
            "$($forecast.Downtime), and $($forecast.TransferredBytes) are sent, with a link of 100 MB/s.")
    }

    It 'is a part of Start-VmMigration -WhatIf, which changes nothing' {
        $guest = New-MigrationGuest $name 16MB -Content Random -DirtyRate 1MB -PassThru
        $run = Start-InRunspace { param($name) Start-VmMigration $name "local:$name-to" -MaxBandwidth 20MB -WhatIf } -ArgumentList $name
        $null = Wait-Until { $guest.IsBusy -or $run.Running.IsCompleted }
        Wait-InRunspace $run | Should -BeNullOrEmpty
        $guest.State | Should -Be 'Running'
        $guest.IsBusy | Should -BeFalse
        $guest.Host | Should -Be 'local'
    }
}
