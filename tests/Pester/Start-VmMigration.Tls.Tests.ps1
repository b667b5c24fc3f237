BeforeAll {
    . $PSScriptRoot/common.ps1
    . $PSScriptRoot/tls.ps1
    $authority = New-TestAuthority 'ours'
    $server = New-TestCertificate $authority 'server'
    $client = New-TestCertificate $authority 'client'
    $folder = Write-TestPki $authority $server $client
}

AfterAll {
    [System.IO.Directory]::Delete($folder, $true)
}

Describe 'TLS' {
    BeforeEach {
        $name = New-TestName
        $failed = $null
    }

    AfterEach {
        Get-MigrationReceiver | Where-Object { $_.HostName -like "$name*" } | Stop-MigrationReceiver
        Remove-MigrationGuest "$name*" -Force
    }

    It 'takes a guest there with a directory in the layout of QEMU, over <Uri>' -ForEach @{ Uri = 'tcp:127.0.0.1:0' }, @{ Uri = 'tcp:0.0.0.0:0' } {
        $receiver = Start-MigrationReceiver $Uri -HostName "$name-to" -TlsDirectory $folder
        New-MigrationGuest $name 8MB -DirtyRate 20MB -Content Random
        $result = (Start-VmMigration $name "tcp:127.0.0.1:$($receiver.Uri.Port)" -Tls -TlsDirectory $folder -Verify)[-1].Result
        $result.Verified | Should -BeTrue
        (Get-MigrationGuest $name).Host | Should -Be "$name-to"
    }

    It 'takes certificates as objects, and paths' {
        $receiver = Start-MigrationReceiver -HostName "$name-to" -Certificate $server -TrustedCertificate "$folder/ca-cert.pem" -AuthorizedSubject 'CN=cli*,O=Example'
        New-MigrationGuest $name 8MB
        $tls = @{ Certificate = "$folder/client-cert.pem"; CertificateKey = "$folder/client-key.pem"; TrustedCertificate = $authority; TlsHostName = 'localhost' }
        (Start-VmMigration $name $receiver @tls)[-1].State | Should -Be 'Completed'
    }

    It 'refuses a source <Why>' -ForEach @(
        @{ Why = 'without TLS'; Server = @{}; Client = $null; Id = 'TlsRequired'; Category = 'SecurityError' }
        @{ Why = 'that is not authorised'; Server = @{ AuthorizedSubject = 'CN=other*' }; Client = @{}; Id = 'CertificateRejected'; Category = 'AuthenticationError' }
        @{ Why = 'to a host of another name'; Server = @{}; Client = @{ TlsHostName = 'elsewhere' }; Id = 'CertificateRejected'; Category = 'AuthenticationError' }
        @{ Why = 'to a plain receiver'; Server = $null; Client = @{}; Id = 'TlsNotSpoken'; Category = 'SecurityError' }
    ) {
        $there = if ($null -eq $Server) { @{} } else { $Server + @{ TlsDirectory = $folder } }
        $here = if ($null -eq $Client) { @{} } else { $Client + @{ TlsDirectory = $folder } }
        $receiver = Start-MigrationReceiver -HostName "$name-to" @there
        $guest = New-MigrationGuest $name 8MB -DirtyRate 5MB -PassThru
        $null = $guest | Start-VmMigration -Destination $receiver @here -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -Be "$Id,PsMigrate.Commands.StartVmMigrationCommand"
        $failed[0].CategoryInfo.Category | Should -Be $Category
        $failed[0].Exception.Side | Should -Be 'Destination'
        $failed[0].Exception.Location | Should -Be 'Source'
        $guest.State | Should -Be 'Running'
    }

    It 'is not for <Destination>' -ForEach @{ Destination = 'local:elsewhere' }, @{ Destination = 'exec:cat' } {
        New-MigrationGuest $name 8MB
        $null = Start-VmMigration $name $Destination -TlsDirectory $folder -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidParameter,*'
        (Get-MigrationGuest $name).Host | Should -Be 'local'
    }

    It 'says what is missing: <Why>' -ForEach @(
        @{ Why = 'certificates'; Tls = @{ Tls = $true }; Id = 'InvalidParameter' }
        @{ Why = 'authorities'; Tls = @{ Certificate = 'client-cert.pem' }; Id = 'InvalidParameter' }
        @{ Why = 'the key'; Tls = @{ Certificate = 'client-cert.pem'; TrustedCertificate = 'ca-cert.pem' }; Id = 'InvalidParameter' }
        @{ Why = 'the directory'; Tls = @{ TlsDirectory = 'nowhere' }; Id = 'FileFailed' }
        @{ Why = 'one of two ways'; Tls = @{ TlsDirectory = ''; Certificate = 'client-cert.pem' }; Id = 'InvalidParameter' }
        @{ Why = 'a decision'; Tls = @{ TlsDirectory = ''; Tls = $false }; Id = 'InvalidParameter' }
    ) {
        $given = @{}
        foreach ($one in $Tls.GetEnumerator()) { $given[$one.Key] = if ($one.Value -is [string]) { "$folder/$($one.Value)" } else { $one.Value } }
        $error0 = { Start-VmMigration $name tcp:127.0.0.1:9 @given } | Should -Throw -PassThru
        $error0.FullyQualifiedErrorId | Should -BeLike "$Id,*"
        $error0 = { Start-MigrationReceiver -HostName $name @given } | Should -Throw -PassThru
        $error0.FullyQualifiedErrorId | Should -BeLike "$Id,*"
    }

    It 'says with -WhatIf what it would do' {
        $guest = New-MigrationGuest $name 8MB -PassThru
        Start-VmMigration $name tcp:127.0.0.1:9 -TlsDirectory $folder -WhatIf | Should -BeNullOrEmpty
        $guest.Host | Should -Be 'local'
    }
}
