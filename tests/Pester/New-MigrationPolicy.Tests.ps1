BeforeAll {
    . $PSScriptRoot/common.ps1
}

Describe 'New-MigrationPolicy' {
    BeforeEach {
        $failed = $null
        $file = [System.IO.Path]::Combine([System.IO.Path]::GetTempPath(), "$(New-TestName 'policy').json")
    }

    AfterEach { [System.IO.File]::Delete($file) }

    It 'makes a policy of rules that are hashtables of text' {
        $policy = New-MigrationPolicy night @(
            @{ When = 'StalledPasses >= 3', 'Elapsed > 1 min'; Then = 'Throttle by 10 %'; Because = 'It stalls.' }
            @{ When = 'Elapsed > 5 min'; Then = 'SwitchToPostcopy'; At = 'AnyTime'; Once = $true }
        ) -Description 'For the backup window.' -StartDowntime 0.5
        $policy | Should -BeOfType 'PsMigrate.Engine.Model.MigrationPolicy'
        $policy.Name | Should -Be 'night'
        $policy.StartDowntime | Should -Be 0.5
        $policy.Rules.Count | Should -Be 2
        $policy.Rules[0].When.Count | Should -Be 2
        $policy.Rules[0].When[1].Value | Should -Be 60
        "$($policy.Rules[0])" | Should -Be 'StalledPasses >= 3 and Elapsed > 1 min: Throttle by 10 %'
        "$($policy.Rules[1])" | Should -Be 'Elapsed > 5 min, at any time, once: SwitchToPostcopy'
    }

    It 'takes one rule without a list, and none' {
        (New-MigrationPolicy one @{ Then = 'SwitchOver' }).Rules.Count | Should -Be 1
        (New-MigrationPolicy none).Rules.Count | Should -Be 0
    }

    It 'writes it to a file and reads it from there' {
        $made = New-MigrationPolicy night @{ When = 'Pass > 5'; Then = 'DowntimeLimit times 2' } -StartDowntime 0.25 -Path $file
        $read = New-MigrationPolicy -Path $file
        $read.ToJson() | Should -Be $made.ToJson()
        $read.ToJson() | Should -Be ([System.IO.File]::ReadAllText($file))
        "$($read.Rules[0])" | Should -Be 'Pass > 5: DowntimeLimit times 2'
    }

    It 'writes nothing with -WhatIf' {
        New-MigrationPolicy night -Path $file -WhatIf | Should -BeNullOrEmpty
        [System.IO.File]::Exists($file) | Should -BeFalse
    }

    It 'gives the built-in policy <_>' -ForEach 'Adaptive', 'Qemu', 'AutoConverge', 'DirtyLimit', 'StallAware', 'DowntimeRamp' {
        $policy = New-MigrationPolicy -BuiltIn $_ -Path $file
        $policy.Name | Should -Be $_
        (New-MigrationPolicy -Path $file).ToJson() | Should -Be $policy.ToJson()
    }

    It 'says what is wrong with a rule: <Wrong>' -ForEach @(
        @{ Wrong = @{ When = 'Passes > 3'; Then = 'SwitchOver' }; Text = '*no figure Passes*StalledPasses*' }
        @{ Wrong = @{ When = 'Pass > 3'; Then = 'Explode' }; Text = '*no action Explode*SwitchOver*' }
        @{ Wrong = @{ When = 'Pass > 3' }; Text = '*is not an action*' }
        @{ Wrong = @{ If = 'Pass > 3'; Then = 'SwitchOver' }; Text = "*no 'If'*When*" }
        @{ Wrong = @{ Then = 'SwitchOver'; At = 'Never' }; Text = '*Never*' }
    ) {
        { New-MigrationPolicy x $Wrong } | Should -Throw $Text
    }

    It 'says what is wrong with a file' {
        [System.IO.File]::WriteAllText($file, '{ "format": "psmigrate-policy", "version": 1, "name": "x", "rules": [ { "then": "Explode" } ] }')
        New-MigrationPolicy -Path $file -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidPolicy,*'
        $failed[0].Exception.Message | Should -BeLike '*rules`[0`].then*'
        New-MigrationPolicy -Path "$file.none" -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'FileFailed,*'
        New-MigrationPolicy -BuiltIn Magic -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidPolicy,*'
    }

    It 'shows a policy as a table and as a list' {
        $policy = New-MigrationPolicy -BuiltIn StallAware
        $views = '//View[ViewSelectedBy/TypeName="PsMigrate.Engine.Model.MigrationPolicy"]'
        @(Read-View "$views//TableColumnItem" $policy)[0, 1, 2] | Should -Be @('StallAware', '0.33', '2')
        (Read-View "$views//ListItem" $policy) -join "`n" | Should -BeLike '*0.33 of MaxDowntime*StalledPasses >= 3 and PendingToLeast <= 1.05: SwitchOver*'
        $rules = '//View[ViewSelectedBy/TypeName="PsMigrate.Engine.Model.PolicyRule"]'
        Read-View "$rules//TableColumnItem" $policy.Rules[0] | Should -Be @('StalledPasses >= 3 and PendingToLeast <= 1.05', 'SwitchOver', 'PassEnd', 'False')
    }

    It 'offers the built-in policies' {
        $offered = [System.Management.Automation.CommandCompletion]::CompleteInput('New-MigrationPolicy -BuiltIn D', 30, $null).CompletionMatches
        $offered.CompletionText | Should -Be @('DirtyLimit', 'DowntimeRamp')
    }
}
