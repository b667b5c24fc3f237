# The helpers that the other files rely on.

BeforeAll {
    . $PSScriptRoot/common.ps1
}

Describe 'New-TestName' {
    It 'never gives a name twice' {
        New-TestName web | Should -BeLike 'web-*'
        New-TestName | Should -Not -Be (New-TestName)
    }
}

Describe 'Wait-Until' {
    It 'gives what the condition gives at last' {
        $asked = @{ Times = 0 }
        Wait-Until { $asked.Times++; if ($asked.Times -eq 3) { 'there' } } | Should -Be 'there'
        $asked.Times | Should -Be 3
    }

    It 'gives up after its time and says on what' {
        { Wait-Until { $false } -TimeoutSeconds 0.1 -What 'a sign' } | Should -Throw 'Waited 0.1 s in vain for a sign.'
    }
}

Describe 'Another runspace' {
    It 'has the module, gets the arguments and gives its output' {
        $run = Start-InRunspace { param($a, $b) (Get-Module PsMigrate).Name; $a + $b } -ArgumentList 1, 2
        Wait-InRunspace $run | Should -Be @('PsMigrate', 3)
    }

    It 'throws here what ended it there' {
        $run = Start-InRunspace { throw 'over there' }
        { Wait-InRunspace $run } | Should -Throw '*over there*'
    }

    It 'does not see the variables of the test' {
        $mine = 1
        Wait-InRunspace (Start-InRunspace { "[$mine]" }) | Should -Be '[]'
        $mine | Should -Be 1
    }

    It 'can be stopped as by Ctrl+C, with the output so far' {
        $clock = [System.Diagnostics.Stopwatch]::StartNew()
        $output = Invoke-WithStop {
            1; 2
            while ($true) { [System.Threading.Thread]::Sleep(10) }
        } -Until { $args[0].Output.Count -ge 2 }
        $output | Should -Be @(1, 2)
        $clock.Elapsed.TotalSeconds | Should -BeLessThan 20
    }

    It 'is given up when what it waits for does not come, and is stopped all the same' {
        { Invoke-WithStop { while ($true) { [System.Threading.Thread]::Sleep(10) } } -Until { $false } -TimeoutSeconds 0.5 } |
            Should -Throw '*in vain*'
    }
}
