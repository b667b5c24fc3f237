# A guest of this process in postcopy. Beside common.ps1: BeforeAll { . $PSScriptRoot/common.ps1; . $PSScriptRoot/postcopy.ps1 }.

function Start-TestPostcopy {
    # A guest, Name, with a job that migrates it to the host There of a receiver of this process. It has gone over, and the rest of its memory
    # follows so slowly that it stays in postcopy until -MaxPostcopyBandwidth is raised. With -Before it is still in precopy.
    # Both vCPUs stop after Writes writes; Staying is a guest that does the same and stays. Stop-TestPostcopy ends it all.
    param([switch] $Before, [long] $Writes = 20000, [hashtable] $Parameters = @{}, [string] $At = 'tcp:127.0.0.1:0')
    $name = New-TestName
    # What the vCPUs touch comes over as fast as they ask for it: their working set is a part only, so that most of the memory stays away.
    $same = @{ MemorySize = 64MB; ProcessorCount = 2; Workload = 'Random'; WorkingSet = 4MB; DirtyRate = 200MB; Content = 'Random'; Seed = 5; Suspended = $true; PassThru = $true }
    $test = [pscustomobject]@{
        Name = $name; There = "$name-there"; Writes = $Writes; Job = $null
        Receiver = Start-MigrationReceiver $At -HostName "$name-there"
        Staying = New-MigrationGuest $name -HostName "$name-stays" @same
    }
    $guest = New-MigrationGuest $name @same
    foreach ($one in $guest, $test.Staying) {
        $one.StopAtTick($Writes)
        $one | Resume-MigrationGuest
    }
    $test.Job = Start-VmMigration -Guest $guest $test.Receiver -MaxBandwidth 2MB -MaxPostcopyBandwidth 1MB -MaxDowntime 1ms -Means Qemu -AsJob @Parameters
    # Precopy alone would take half a minute and more, so that there is time to ask for something else.
    if ($Before) { $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'Active' } }
    else {
        if (-not $Parameters.Mode) { $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'Active' }; Switch-Migration -Name $name }
        $null = Wait-Until { (Get-MigrationState -Name $name).State -eq 'PostcopyActive' }
    }
    $test
}

function Wait-TestPostcopy {
    # Lets the rest follow as fast as it can, and gives the state at the end.
    param($Test)
    Set-Migration -Name $Test.Name -MaxPostcopyBandwidth 0
    Wait-Migration $Test.Name -Timeout 60s
}

function Get-TestDigests {
    # Those of the guest that arrived and of the one that stayed, when both have done all of their writes.
    param($Test)
    foreach ($guest in (Get-MigrationGuest $Test.Name -HostName $Test.There), $Test.Staying) {
        $null = Wait-Until { @($guest.Ticks | Where-Object { $_ -lt $Test.Writes }).Count -eq 0 } -TimeoutSeconds 60
        $guest.Digest()
    }
}

function Stop-TestPostcopy {
    param($Test)
    if (-not $Test) { return }
    # What is in postcopy ends by its end, or when it is paused and given up.
    $state = Get-MigrationState -Name $Test.Name | Where-Object { -not $_.Result }
    if ($state.State -eq 'PostcopyPaused') { $null = Stop-Migration $state.Id -Force -Confirm:$false }
    elseif ("$($state.State)" -like 'Postcopy*') { $null = Wait-TestPostcopy $Test }
    elseif ($state) { $null = Stop-Migration $state.Id }
    $Test.Job | Remove-Job -Force
    $Test.Receiver | Stop-MigrationReceiver -Force
    Remove-MigrationGuest $Test.Name -Force
}
