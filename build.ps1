<#
.SYNOPSIS
Builds, tests and packs the PsMigrate module.
.DESCRIPTION
Keeps to the language, .NET and the cmdlets of Microsoft.PowerShell.Core, so that the shell of this repository can run it too:
dotnet run --project src/Shell -- -File build.ps1 -Task Test
.PARAMETER Task
Build: the solution; prints where the module is. Test: also runs `dotnet test`, and tests/Pester under the real Pester (5.5 or later)
where it is installed. Package: a zip of the Release module and, where Publish-PSResource is there, a nupkg, both under output.
.PARAMETER Configuration
Debug or Release; Package always takes Release.
.EXAMPLE
./build.ps1 -Task Test
#>
[CmdletBinding()]
param(
    [Parameter(Position = 0)]
    [ValidateSet('Build', 'Test', 'Package')]
    [string]$Task = 'Build',

    [ValidateSet('Debug', 'Release')]
    [string]$Configuration = 'Debug'
)

$ErrorActionPreference = 'Stop'
if ($Task -eq 'Package') {
    $Configuration = 'Release'
}
$solution = "$PSScriptRoot/PsMigrate.sln"
$output = "$PSScriptRoot/output"
$manifest = "$output/$Configuration/PsMigrate/PsMigrate.psd1"

function Invoke-DotNet {
    dotnet @args
    if ($LASTEXITCODE -ne 0) {
        throw "dotnet $($args[0]) failed with exit code $LASTEXITCODE."
    }
}

function Invoke-Pester5 {
    # A fresh process: a binary module can't be unloaded, so this one's copy would hide the new one.
    $pwsh = Get-Command -Name pwsh -CommandType Application -TotalCount 1 -ErrorAction Ignore
    if (-not $pwsh) {
        'The tests of tests/Pester ran in the hosted engine only: there is no pwsh to run the real Pester with.'
        return
    }
    $run = {
        $ErrorActionPreference = 'Stop'
        $pester = Get-Module -Name Pester -ListAvailable | Where-Object Version -GE 5.5 | Sort-Object Version -Descending | Select-Object -First 1
        if (-not $pester) {
            'Pester 5.5 or later is not installed: the tests of tests/Pester ran in the hosted engine only.'
            exit 0
        }
        Import-Module $pester.Path
        Import-Module $env:PSMIGRATE_MODULE
        $configuration = New-PesterConfiguration
        $configuration.Run.Path = $env:PSMIGRATE_PESTER
        $configuration.Run.Exit = $true
        $configuration.Output.Verbosity = 'Normal'
        Invoke-Pester -Configuration $configuration
    }
    $env:PSMIGRATE_MODULE = $manifest
    $env:PSMIGRATE_PESTER = "$PSScriptRoot/tests/Pester"
    & $pwsh.Path -NoProfile -NonInteractive -Command $run.ToString()
    if ($LASTEXITCODE -ne 0) {
        throw "The Pester tests failed with exit code $LASTEXITCODE."
    }
}

function New-Package {
    $version = (Test-ModuleManifest -Path $manifest).Version
    $zip = "$output/PsMigrate-$version.zip"
    [IO.File]::Delete($zip)
    [IO.Compression.ZipFile]::CreateFromDirectory("$output/Release/PsMigrate", $zip, 'SmallestSize', $true)
    $zip

    if (-not (Get-Command -Name Publish-PSResource -ErrorAction Ignore)) {
        'No nupkg: Publish-PSResource is not available here.'
        return
    }
    $packages = "$output/packages"
    $null = [IO.Directory]::CreateDirectory($packages)
    # Publishing over a version that is there is refused.
    [IO.File]::Delete("$packages/PsMigrate.$version.nupkg")
    $repository = "PsMigrate-$PID"
    Register-PSResourceRepository -Name $repository -Uri $packages -Trusted
    try {
        Publish-PSResource -Path "$output/Release/PsMigrate" -Repository $repository
    }
    finally {
        Unregister-PSResourceRepository -Name $repository
    }
    "$packages/PsMigrate.$version.nupkg"
}

Invoke-DotNet build $solution --configuration $Configuration
switch ($Task) {
    'Build' { "The module: $manifest" }
    'Test' {
        Invoke-DotNet test $solution --configuration $Configuration --no-build
        Invoke-Pester5
    }
    'Package' { New-Package }
}
