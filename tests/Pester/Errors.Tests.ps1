# about_PsMigrate_Errors lists every error, as scripts see it.

BeforeDiscovery {
    . $PSScriptRoot/common.ps1
    $ids = foreach ($id in [Enum]::GetValues([PsMigrate.Engine.Model.MigrationErrorId])) { @{ Id = "$id" } }
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    # The rows of the tables: | Id | Category | Meaning |
    $rows = @{}
    foreach ($line in [System.IO.File]::ReadAllLines("$PSScriptRoot/../../docs/en-US/about_PsMigrate_Errors.md")) {
        $cells = $line.Trim('|').Split('|')
        if ($cells.Count -eq 3) { $rows[$cells[0].Trim()] = $cells[1].Trim(), $cells[2].Trim() }
    }
}

Describe 'about_PsMigrate_Errors' {
    It 'lists <Id> with its category' -ForEach $ids {
        $rows.Keys | Should -Contain $Id
        $rows[$Id][0] | Should -Be "$([PsMigrate.ErrorRecords]::Describe($Id).Item1)"
        $rows[$Id][1].Length | Should -BeGreaterThan 10
    }

    It 'lists nothing else' {
        $known = [Enum]::GetNames([PsMigrate.Engine.Model.MigrationErrorId])
        foreach ($row in $rows.Keys) {
            if ($row -eq 'Id' -or $row -like '-*') { continue }
            $row | Should -BeIn $known
        }
    }

    It 'is there for Get-Help' {
        "$(Get-Help about_PsMigrate_Errors)" | Should -BeLike '*HandoverInDoubt*'
        "$(Get-Help about_PsMigrate)" | Should -BeLike '*qemu*5.3.2.1*'
    }

    It 'advises a postcopy that takes its time <When> with <What>' -ForEach @(
        @{ State = 'PostcopyActive'; When = 'while memory follows'; What = '-MaxPostcopyBandwidth' }
        @{ State = 'PostcopyRecover'; When = 'while it recovers'; What = '-MaxPostcopyBandwidth' }
        @{ State = 'PostcopyPaused'; When = 'while it is paused'; What = 'Resume-Migration' }
        @{ State = 'Active'; When = 'before it'; What = '-MaxDowntime' }) {
        $one = [System.Runtime.CompilerServices.RuntimeHelpers]::GetUninitializedObject([PsMigrate.Engine.Model.MigrationState])
        $one.GetType().GetProperty('State').SetValue($one, [PsMigrate.Engine.Model.MigrationStatus]$State)
        $late = [PsMigrate.Engine.Model.MigrationException]::new('Timeout', 'User', 'Late.', $null)
        $advice = [PsMigrate.ErrorRecords]::From($late, $one).ErrorDetails.RecommendedAction
        $advice | Should -BeLike "*$What*"
        if ($What -ne '-MaxDowntime') { $advice | Should -Not -BeLike '*-MaxDowntime*' }
    }

    It 'names capabilities where the ends disagree' {
        [PsMigrate.ErrorRecords]::Describe('EndsDisagree').Item2 | Should -BeLike '*capabilities*postcopy-ram*'
    }

    It 'knows a remedy for each' {
        foreach ($id in [Enum]::GetValues([PsMigrate.Engine.Model.MigrationErrorId])) {
            [PsMigrate.ErrorRecords]::Describe($id).Item2 | Should -Not -BeNullOrEmpty -Because "$id needs one"
        }
    }
}
