# Certificates for tests. Beside common.ps1: BeforeAll { . $PSScriptRoot/common.ps1; . $PSScriptRoot/tls.ps1 }.

$day = [DateTimeOffset]::UtcNow.AddDays(-1)
$sha = [System.Security.Cryptography.HashAlgorithmName]::SHA256

function New-TestAuthority {
    param([string] $Name)
    $key = [System.Security.Cryptography.ECDsa]::Create([System.Security.Cryptography.ECCurve+NamedCurves]::nistP256)
    $request = [System.Security.Cryptography.X509Certificates.CertificateRequest]::new("CN=$Name", $key, $sha)
    $request.CertificateExtensions.Add([System.Security.Cryptography.X509Certificates.X509BasicConstraintsExtension]::new($true, $false, 0, $true))
    $request.CreateSelfSigned($day, $day.AddDays(20))
}

function New-TestCertificate {
    param($Authority, [string] $Name)
    $key = [System.Security.Cryptography.ECDsa]::Create([System.Security.Cryptography.ECCurve+NamedCurves]::nistP256)
    $request = [System.Security.Cryptography.X509Certificates.CertificateRequest]::new("CN=$Name,O=Example", $key, $sha)
    $names = [System.Security.Cryptography.X509Certificates.SubjectAlternativeNameBuilder]::new()
    $names.AddDnsName('localhost')
    $names.AddIpAddress([System.Net.IPAddress]::Loopback)
    $request.CertificateExtensions.Add($names.Build())
    $signed = $request.Create($Authority, $day, $day.AddDays(10), [byte[]](1..8))
    [System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions]::CopyWithPrivateKey($signed, $key)
}

function New-TestPki {
    # A directory in the layout of QEMU, for both ends; the caller deletes it.
    $authority = New-TestAuthority 'ours'
    $server = New-TestCertificate $authority 'server'
    $client = New-TestCertificate $authority 'client'
    Write-TestPki $authority $server $client
}

function Write-TestPki {
    # The same of certificates that are there.
    param($Authority, $Server, $Client)
    $folder = [System.IO.Directory]::CreateTempSubdirectory('psmigrate-tls-').FullName
    [System.IO.File]::WriteAllText("$folder/ca-cert.pem", $authority.ExportCertificatePem())
    foreach ($end in @{ Name = 'server'; Certificate = $server }, @{ Name = 'client'; Certificate = $client }) {
        $key = [System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions]::GetECDsaPrivateKey($end.Certificate)
        [System.IO.File]::WriteAllText("$folder/$($end.Name)-cert.pem", $end.Certificate.ExportCertificatePem())
        [System.IO.File]::WriteAllText("$folder/$($end.Name)-key.pem", $key.ExportPkcs8PrivateKeyPem())
    }
    $folder
}
