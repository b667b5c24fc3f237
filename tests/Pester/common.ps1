# What the test files share. Each one begins with: BeforeAll { . $PSScriptRoot/common.ps1 }
# Only the language, .NET and the engine's own cmdlets are used: the files also run where nothing else is there.

# The variable names the module to test; without it, the one that was built last by hand.
$ModulePath = if ($env:PSMIGRATE_MODULE) { $env:PSMIGRATE_MODULE }
else {
    foreach ($configuration in 'Debug', 'Release') {
        $built = [System.IO.Path]::GetFullPath("$PSScriptRoot/../../output/$configuration/PsMigrate")
        if ([System.IO.File]::Exists("$built/PsMigrate.psd1")) { $built; break }
    }
}
if ($ModulePath -and -not $ModulePath.EndsWith('.psd1')) { $ModulePath = [System.IO.Path]::Combine($ModulePath, 'PsMigrate.psd1') }
if (-not $ModulePath -or -not [System.IO.File]::Exists($ModulePath)) {
    throw "The module is not built: there is no '$ModulePath'. Run ./build.ps1 or dotnet build, or set PSMIGRATE_MODULE."
}
Import-Module $ModulePath -ErrorAction Stop

function New-TestName {
    # A name that no other test uses: guests are registered for the whole process.
    param([string] $Prefix = 'guest')
    "$Prefix-$([guid]::NewGuid().ToString('N').Substring(0, 8))"
}

function Wait-Until {
    # Waits until the condition gives something true, and gives that; throws when the time is over.
    param(
        [scriptblock] $Condition,
        [double] $TimeoutSeconds = 60,
        [string] $What = "{$Condition}"
    )
    $clock = [System.Diagnostics.Stopwatch]::StartNew()
    while ($true) {
        $answer = & $Condition
        if ($answer) { return $answer }
        if ($clock.Elapsed.TotalSeconds -gt $TimeoutSeconds) { throw "Waited $TimeoutSeconds s in vain for $What." }
        [System.Threading.Thread]::Sleep(20)
    }
}

function Start-InRunspace {
    # Runs a script in another runspace with the same module; the caller sees its variables only as -ArgumentList.
    # Gives an object to watch (Output and Errors fill up while it runs) and to hand to Stop-InRunspace or Wait-InRunspace.
    param([scriptblock] $Script, [object[]] $ArgumentList = @())
    $runspace = [System.Management.Automation.Runspaces.RunspaceFactory]::CreateRunspace(
        [System.Management.Automation.Runspaces.InitialSessionState]::CreateDefault2())
    $runspace.Open()
    $shell = [System.Management.Automation.PowerShell]::Create()
    $shell.Runspace = $runspace
    $null = $shell.AddScript("param(`$module) Import-Module `$module -ErrorAction Stop").AddArgument($ModulePath).Invoke()
    if ($shell.HadErrors) { throw $shell.Streams.Error[0] }
    $shell.Commands.Clear()
    $null = $shell.AddScript($Script.ToString())
    foreach ($argument in $ArgumentList) { $null = $shell.AddArgument($argument) }
    $output = [System.Management.Automation.PSDataCollection[psobject]]::new()
    [pscustomobject]@{
        Shell = $shell; Output = $output; Errors = $shell.Streams.Error
        Running = $shell.BeginInvoke([System.Management.Automation.PSDataCollection[psobject]]::new(), $output)
    }
}

function Wait-InRunspace {
    # Waits for the end of what Start-InRunspace started and gives its output; errors that end it are thrown here.
    param($Run, [double] $TimeoutSeconds = 60)
    try {
        if (-not $Run.Running.AsyncWaitHandle.WaitOne([timespan]::FromSeconds($TimeoutSeconds))) {
            throw "The script in the other runspace did not end within $TimeoutSeconds s."
        }
        $null = $Run.Shell.EndInvoke($Run.Running)
        $Run.Output
    }
    finally { Close-InRunspace $Run }
}

function Stop-InRunspace {
    # Stops it as Ctrl+C does, waits until it has stopped, and gives what it had written so far.
    param($Run, [double] $TimeoutSeconds = 60)
    try {
        $stopping = $Run.Shell.BeginStop($null, $null)
        if (-not $stopping.AsyncWaitHandle.WaitOne([timespan]::FromSeconds($TimeoutSeconds))) {
            throw "The script in the other runspace did not stop within $TimeoutSeconds s."
        }
        $Run.Shell.EndStop($stopping)
        $Run.Output
    }
    finally { Close-InRunspace $Run }
}

function Close-InRunspace {
    # One that still runs is left to itself: to close it would mean to wait for it.
    param($Run)
    if ($Run.Shell.InvocationStateInfo.State -in 'Running', 'Stopping') { return }
    $runspace = $Run.Shell.Runspace
    $Run.Shell.Dispose()
    $runspace.Dispose()
}

function Invoke-WithStop {
    # Runs a script in another runspace and presses Ctrl+C, so to speak, as soon as the condition holds.
    # The condition gets the run as $args[0]: { $args[0].Output.Count -ge 2 }.
    param([scriptblock] $Script, [scriptblock] $Until, [object[]] $ArgumentList = @(), [double] $TimeoutSeconds = 60)
    $run = Start-InRunspace $Script $ArgumentList
    try { $null = Wait-Until { & $Until $run } -TimeoutSeconds $TimeoutSeconds -What "{$Until}" }
    finally { $output = Stop-InRunspace $run -TimeoutSeconds $TimeoutSeconds }
    $output
}

function Read-View {
    # The values of one entry of the module's views: what Format-List or Format-Table would show.
    param([string] $Path, $InputObject)
    foreach ($file in [System.IO.Directory]::GetFiles([System.IO.Path]::GetDirectoryName($ModulePath), '*.Format.ps1xml')) {
        foreach ($item in ([xml][System.IO.File]::ReadAllText($file)).SelectNodes($Path)) {
            $script = $item.SelectSingleNode('ScriptBlock')
            $value = if ($script) { $InputObject | ForEach-Object ([scriptblock]::Create($script.InnerText)) }
            else { $InputObject.($item.SelectSingleNode('PropertyName').InnerText) }
            "$value"
        }
    }
}
