BeforeDiscovery {
    . $PSScriptRoot/qemu.ps1
    $qemu = Find-TestQemu
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/qemu.ps1
    . $PSScriptRoot/tls.ps1
    $folder = New-TestPki
}

AfterAll {
    [System.IO.Directory]::Delete($folder, $true)
}

Describe 'TLS of a guest of QEMU' -Skip:(-not $qemu) {
    BeforeEach {
        $failed = $null
        $name = New-TestName
        $source = Start-TestQemu -ArgumentList '-M', 'pc', '-m', '64M', '-object', "tls-creds-x509,id=tls0,dir=$folder,endpoint=client,verify-peer=yes"
        $target = Start-TestQemu -ArgumentList '-M', 'pc', '-m', '64M', '-incoming', 'defer', '-object', "tls-creds-x509,id=tls0,dir=$folder,endpoint=server,verify-peer=yes"
        $null = Connect-MigrationGuest $source.Uri -Name $name
        $way = @{ Name = $name; Destination = 'tcp:127.0.0.1:0'; DestinationQmp = $target.Uri }
    }

    AfterEach {
        Get-MigrationGuest "$name*" | Where-Object Kind -EQ Qemu | Disconnect-MigrationGuest
        Get-MigrationReceiver | Where-Object { $_.HostName -like "$name*" } | Stop-MigrationReceiver
        Get-MigrationGuest | Where-Object Host -EQ "$name-to" | Remove-MigrationGuest -Force
        Stop-TestQemu $source
        Stop-TestQemu $target
    }

    It 'takes it over with <Way>, and leaves both as they were' -ForEach @(
        @{ Way = 'a directory'; Tls = @{}; IsDirectory = $true }
        @{ Way = 'credentials that both have'; Tls = @{ TlsCredentials = 'tls0'; TlsHostName = 'localhost' }; IsDirectory = $false }
        @{ Way = 'credentials that are named twice'; Tls = @{ TlsCredentials = 'tls0'; DestinationTlsCredentials = 'tls0'; Tls = $true }; IsDirectory = $false }
    ) {
        if ($IsDirectory) { $Tls.TlsDirectory = $folder }
        $result = (Start-VmMigration @way @Tls)[-1].Result
        $result.State | Should -Be 'Completed'
        $result.Location | Should -Be 'Destination'
        foreach ($end in $source, $target) {
            Invoke-TestMonitor $end 'info migrate_parameters' | Should -Match "tls-creds: ''"
            Invoke-TestMonitor $end 'qom-list /objects' | Should -Not -BeLike '*psmigrate*'
        }
    }

    It 'takes it to a receiver of ours' {
        $receiver = Start-MigrationReceiver -HostName "$name-to" -TlsDirectory $folder -AuthorizedSubject 'CN=client*'
        (Start-VmMigration $name "tcp:localhost:$($receiver.Uri.Port)" -TlsDirectory $folder)[-1].State | Should -Be 'Completed'
        (Get-MigrationGuest | Where-Object Host -EQ "$name-to").Kind | Should -Be 'Captured'
    }

    It 'says <Id> of <What>, and the guest runs on' -ForEach @(
        @{ What = 'an object that is not there'; Tls = @{ TlsCredentials = 'nobody' }; Id = 'TlsCredentialsNotFound'; Side = 'Source' }
        @{ What = 'a directory that is not there'; Tls = @{ TlsDirectory = '/nowhere' }; Id = 'TlsCredentialsRefused'; Side = 'Destination' }
        @{ What = 'a list of sources that is not there'; Tls = @{ TlsCredentials = 'tls0'; TlsAuthorization = 'nobody' }; Id = 'TlsCredentialsNotFound'; Side = 'Destination' }
        @{ What = 'a list of sources of another kind'; Tls = @{ TlsCredentials = 'tls0'; TlsAuthorization = 'tls0' }; Id = 'TlsCredentialsUnfit'; Side = 'Destination' }
        @{ What = 'a host of another name'; Tls = @{ TlsCredentials = 'tls0'; TlsHostName = 'elsewhere' }; Id = 'CertificateRejected'; Side = 'Destination' }
    ) {
        $null = Start-VmMigration @way @Tls -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -Be "$Id,PsMigrate.Commands.StartVmMigrationCommand"
        $failed[0].Exception.Side | Should -Be $Side
        $null = Wait-Until { (Get-MigrationGuest $name).State -eq 'Running' }
    }

    It 'needs other parameters than a guest of this process' {
        $given = @{ Certificate = "$folder/client-cert.pem"; CertificateKey = "$folder/client-key.pem"; TrustedCertificate = "$folder/ca-cert.pem" }
        $null = Start-VmMigration @way @given -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'UnsupportedByGuest,*'
        "$($failed[0])" | Should -BeLike '*-TlsCredentials*'
        $null = New-MigrationGuest "$name-own" 8MB
        $null = Start-VmMigration "$name-own" tcp:127.0.0.1:9 -TlsCredentials tls0 -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'UnsupportedByGuest,*'
        "$($failed[0])" | Should -BeLike '*-TlsDirectory*'
        Remove-MigrationGuest "$name-own" -Force
    }

    It 'says with -WhatIf what it would do' {
        Start-VmMigration @way -TlsCredentials tls0 -WhatIf | Should -BeNullOrEmpty
        (Get-MigrationGuest $name).State | Should -Be 'Running'
    }
}

Describe 'Parameters of TLS that contradict each other' {
    It 'are refused: <What>' -ForEach @(
        @{ What = 'credentials and a directory'; Tls = @{ TlsCredentials = 'tls0'; TlsDirectory = '/nowhere' } }
        @{ What = 'credentials and a certificate'; Tls = @{ TlsCredentials = 'tls0'; Certificate = 'x.pem' } }
        @{ What = 'credentials and subjects'; Tls = @{ TlsCredentials = 'tls0'; AuthorizedSubject = 'CN=x' } }
        @{ What = 'credentials and a list of the revoked'; Tls = @{ TlsCredentials = 'tls0'; RevocationList = 'x.pem' } }
        @{ What = 'credentials without TLS'; Tls = @{ TlsCredentials = 'tls0'; Tls = $false } }
        @{ What = 'those of a destination that can not be told'; Tls = @{ TlsCredentials = 'tls0'; DestinationTlsCredentials = 'tls1' } }
        @{ What = 'those of a destination alone'; Tls = @{ DestinationTlsCredentials = 'tls1'; DestinationQmp = 'unix:/nowhere' } }
    ) {
        $thrown = { Start-VmMigration nobody tcp:127.0.0.1:9 @Tls } | Should -Throw -PassThru
        $thrown.FullyQualifiedErrorId | Should -BeLike 'InvalidParameter,*'
    }
}
