BeforeAll {
    . $PSScriptRoot/common.ps1

    # What a script in another runspace says, for this process to see.
    function Read-Word { [AppDomain]::CurrentDomain.GetData($name) }

    # Migrates a guest of that name to the receiver, and gives the last record.
    function Send-Guest([string] $Name, $Receiver) {
        $null = New-MigrationGuest $Name 4MB -ProcessorCount 2 -Content Text
        Start-VmMigration $Name $Receiver -Verify -ErrorVariable script:failed -ErrorAction SilentlyContinue | Where-Object { $_.IsFinal }
    }

    function Confirm-Refused($Last, [string] $Reason) {
        $Last.State | Should -Be 'Failed'
        $failed[0].FullyQualifiedErrorId | Should -Be 'DestinationRefused,PsMigrate.Commands.StartVmMigrationCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'PermissionDenied'
        $failed[0].Exception.Message | Should -BeLike $Reason
        $failed[0].Exception.Location | Should -Be 'Source'
        (Get-MigrationGuest $name).State | Should -Be 'Running'
    }
}

Describe 'Start-MigrationReceiver -AcceptScript' {
    BeforeEach {
        $name = New-TestName
        $script:failed = $null
    }

    AfterEach {
        Get-MigrationReceiver | Where-Object { $_.HostName -like "$name*" } | Stop-MigrationReceiver
        Remove-MigrationGuest "$name*" -Force
        [AppDomain]::CurrentDomain.SetData($name, $null)
    }

    It 'takes a guest for which it gives $true' {
        $receiver = Start-MigrationReceiver -HostName "$name-to" -AcceptScript { param($request) $request.MemorySize -lt 8MB }
        (Send-Guest $name $receiver).Result.Verified | Should -BeTrue
        (Get-MigrationGuest $name).Host | Should -Be "$name-to"
    }

    It 'refuses a guest <Why>, and its source learns the reason' -ForEach @(
        @{ Why = 'for which it gives $false'; Script = { $false }; Reason = '*not accepted here*' }
        @{ Why = 'for which it gives a reason'; Script = { param($request) "Not $($request.Name)." }; Reason = '*gave up: Not guest-*' }
        @{ Why = 'when it throws'; Script = { throw 'Not on a Sunday.' }; Reason = '*gave up: Not on a Sunday.' }
        @{ Why = 'when something in it fails'; Script = { Get-MigrationReceiver 2147483647; $true }; Reason = '*gave up: There is no receiver 2147483647.' }
        @{ Why = 'when it gives nothing'; Script = { }; Reason = '*gave no answer*' }
        @{ Why = 'when it gives $null'; Script = { $null }; Reason = "*answers ''*" }
        @{ Why = 'when it gives something else'; Script = { 1 }; Reason = "*answers '1'*" }
        @{ Why = 'when it gives more beside $true'; Script = { $true; 'But not today.' }; Reason = '*But not today.' }
        @{ Why = 'when it ends by exit'; Script = [scriptblock]::Create('exit 0'); Reason = '*gave no answer*' }
    ) {
        $receiver = Start-MigrationReceiver -HostName "$name-to" -AcceptScript $Script
        Confirm-Refused (Send-Guest $name $receiver) $Reason
        (Wait-MigrationReceiver $receiver.Id -Timeout 30s).Error.Id | Should -Be 'DestinationRefused'
        (Get-MigrationReceiver $receiver.Id).ArrivedCount | Should -Be 0
    }

    It 'refuses a guest when it takes too long, and answers for the next' {
        $script = [scriptblock]::Create("param(`$request) while (`$request.Name -eq '$name') { [Threading.Thread]::Sleep(5) }; `$true")
        $receiver = Start-MigrationReceiver -HostName "$name-to" -AcceptScript $script -AcceptTimeout 500ms
        Confirm-Refused (Send-Guest $name $receiver) '*not decided within 0.5 s*'
        $script:failed = $null
        # The first one may need a moment to stop.
        (Wait-Until { Remove-MigrationGuest "$name-2" -Force -ErrorAction SilentlyContinue; Send-Guest "$name-2" $receiver | Where-Object { $_.State -eq 'Completed' } }).Result.Verified | Should -BeTrue
    }

    It 'lets nobody in while it can not be stopped' {
        $script = [scriptblock]::Create("param(`$request) if (`$request.Name -eq '$name') { `$null = ([AppDomain]::CurrentDomain.GetData('$name')).WaitOne() }; `$true")
        $gate = [System.Threading.ManualResetEvent]::new($false)
        [AppDomain]::CurrentDomain.SetData($name, $gate)
        try {
            $receiver = Start-MigrationReceiver -HostName "$name-to" -AcceptScript $script -AcceptTimeout 300ms
            Confirm-Refused (Send-Guest $name $receiver) '*not decided*'
            (Send-Guest "$name-2" $receiver).State | Should -Be 'Failed'
            $failed[0].Exception.Message | Should -BeLike '*not decided*'
        }
        finally { $null = $gate.Set() }
        Remove-MigrationGuest "$name-2" -Force
        (Wait-Until { Remove-MigrationGuest "$name-3" -Force -ErrorAction SilentlyContinue; Send-Guest "$name-3" $receiver | Where-Object { $_.State -eq 'Completed' } }).Result.Verified | Should -BeTrue
    }

    It 'gets to know the guest' {
        $script = [scriptblock]::Create("param(`$request) [AppDomain]::CurrentDomain.SetData('$name', `$request); `$true")
        $receiver = Start-MigrationReceiver -HostName "$name-to" -AcceptScript $script
        $guest = New-MigrationGuest $name 4MB -ProcessorCount 2 -PassThru
        $null = Start-VmMigration $name $receiver -Channels 2
        $request = Read-Word
        $request | Should -BeOfType 'PsMigrate.Engine.Model.ArrivalRequest'
        $request.Name | Should -Be $name
        $request.Uuid | Should -Be $guest.Uuid
        $request.MemorySize | Should -Be 4MB
        $request.ProcessorCount | Should -Be 2
        $request.MachineType | Should -Be 'none'
        $request.Peer | Should -BeLike 'tcp:127.0.0.1:*'
        $request.TlsSubject | Should -BeNullOrEmpty
        $request.Channels | Should -Be 2
    }

    It 'has the module, pipelines, the folder and no variable of the caller' {
        $mine = 'secret'
        $script = {
            param($request)
            if ($null -ne $mine) { "It sees $mine." }
            @(Get-MigrationGuest $request.Name | Where-Object { $_.State -eq 'Running' } | ForEach-Object { $_.Name }).Count -eq 1
        }
        $receiver = Start-MigrationReceiver -HostName "$name-to" -AcceptScript $script
        (Send-Guest $name $receiver).Result.Verified | Should -BeTrue
        $receiver = Start-MigrationReceiver -HostName "$name-3" -AcceptScript ([scriptblock]::Create("`$PWD.ProviderPath -eq '$($PWD.ProviderPath)'"))
        (Send-Guest "$name-2" $receiver).Result.Verified | Should -BeTrue
    }

    It 'is asked about one guest at a time' {
        $script = [scriptblock]::Create(@"
            `$domain = [AppDomain]::CurrentDomain
            if (`$domain.GetData('$name')) { return 'Two at one time.' }
            `$domain.SetData('$name', `$true)
            [Threading.Thread]::Sleep(100)
            `$domain.SetData('$name', `$null)
            `$true
"@)
        $receiver = Start-MigrationReceiver -HostName "$name-to" -AcceptScript $script -AcceptTimeout 60
        $jobs = foreach ($number in 1..4) {
            $null = New-MigrationGuest "$name-$number" 4MB
            Start-VmMigration "$name-$number" $receiver -AsJob
        }
        $jobs | Wait-Job | ForEach-Object { $_.State | Should -Be 'Completed' }
        $jobs | Remove-Job
        (Wait-Until { Get-MigrationReceiver $receiver.Id | Where-Object { $_.ArrivedCount -eq 4 } }).FailedCount | Should -Be 0
    }

    It 'ends with the receiver' {
        $script = [scriptblock]::Create(@"
            `$domain = [AppDomain]::CurrentDomain
            try { while (`$true) { `$domain.SetData('$name', 'asked'); [Threading.Thread]::Sleep(5) } }
            finally { `$domain.SetData('$name', 'ended') }
"@)
        $receiver = Start-MigrationReceiver -HostName "$name-to" -AcceptScript $script -AcceptTimeout 1h
        $null = New-MigrationGuest $name 4MB
        $job = Start-VmMigration $name $receiver -AsJob
        $null = Wait-Until { (Read-Word) -eq 'asked' }
        Stop-MigrationReceiver $receiver.Id
        $null = Wait-Until { (Read-Word) -eq 'ended' }
        ($job | Wait-Job).State | Should -Be 'Failed'
        $job | Remove-Job
        (Get-MigrationGuest $name).State | Should -Be 'Running'
        (Get-MigrationGuest $name).Host | Should -Not -Be "$name-to"
    }

    It 'does not keep a source from Ctrl+C, and outlives the runspace that it came from' {
        $null = New-MigrationGuest $name 4MB
        $null = Invoke-WithStop -ArgumentList $name -Until { [AppDomain]::CurrentDomain.GetData($name) -eq 'asked' } -Script {
            param($name)
            $script = [scriptblock]::Create(@"
                param(`$request)
                if (`$request.Name -ne '$name') { return `$true }
                [AppDomain]::CurrentDomain.SetData('$name', 'asked')
                while (`$true) { [Threading.Thread]::Sleep(5) }
"@)
            $receiver = Start-MigrationReceiver -HostName "$name-to" -AcceptScript $script -AcceptTimeout 5s
            Start-VmMigration $name $receiver
        }
        (Get-MigrationGuest $name).State | Should -Be 'Running'
        $receiver = Get-MigrationReceiver | Where-Object { $_.HostName -eq "$name-to" }
        $receiver | Should -HaveCount 1
        (Wait-Until { Remove-MigrationGuest "$name-2" -Force -ErrorAction SilentlyContinue; Send-Guest "$name-2" $receiver | Where-Object { $_.State -eq 'Completed' } }).Result.Verified | Should -BeTrue
    }

    It 'is not taken <What>' -ForEach @(
        @{ What = 'with a variable of the caller'; Arguments = @{ AcceptScript = { $using:name -eq 'web1' } }; Message = '*can''t have $using:name*' }
        @{ What = 'as a time alone'; Arguments = @{ AcceptTimeout = '5s' }; Message = '-AcceptTimeout needs -AcceptScript.' }
        @{ What = 'with a time of nothing'; Arguments = @{ AcceptScript = { $true }; AcceptTimeout = 0 }; Message = 'AcceptTimeout must be longer than 0*' }
    ) {
        $error0 = { Start-MigrationReceiver -HostName $name @Arguments } | Should -Throw -PassThru
        $error0.FullyQualifiedErrorId | Should -BeLike 'InvalidParameter,*'
        $error0.Exception.Message | Should -BeLike $Message
        @(Get-MigrationReceiver | Where-Object { $_.HostName -eq $name }) | Should -HaveCount 0
    }
}
