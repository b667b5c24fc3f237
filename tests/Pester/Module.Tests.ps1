# The module as a whole: what its manifest promises is there, is named by the rules, and is documented.

BeforeDiscovery {
    $cmdlets = 'New-MigrationGuest', 'Get-MigrationGuest', 'Remove-MigrationGuest', 'Suspend-MigrationGuest', 'Resume-MigrationGuest',
    'Save-MigrationGuest', 'Restore-MigrationGuest', 'Connect-MigrationGuest', 'Disconnect-MigrationGuest', 'Measure-GuestDirtyRate', 'New-MigrationPolicy', 'Compare-MigrationPolicy',
    'Start-VmMigration', 'Get-MigrationState', 'Wait-Migration', 'Stop-Migration', 'Set-Migration', 'Complete-Migration',
    'Switch-Migration', 'Suspend-Migration', 'Resume-Migration',
    'Start-MigrationReceiver', 'Get-MigrationReceiver', 'Wait-MigrationReceiver', 'Stop-MigrationReceiver',
    'Read-MigrationStream'
}

BeforeAll {
    . $PSScriptRoot/common.ps1
    $module = Get-Module PsMigrate
    $manifest = [scriptblock]::Create([System.IO.File]::ReadAllText($ModulePath)).InvokeReturnAsIs()
    $exported = @($module.ExportedCmdlets.Keys)
    if ($exported.Count -eq 0) { throw 'The module exports no cmdlet, so that the loops below would prove nothing.' }

    function Get-DocumentedParameter($Command) {
        # The common ones are described once for all cmdlets, by PowerShell.
        $common = [System.Management.Automation.Cmdlet]::CommonParameters + [System.Management.Automation.Cmdlet]::OptionalCommonParameters
        $Command.Parameters.Keys | Where-Object { $_ -notin $common }
    }

    function Get-Text($Paragraphs) {
        (@($Paragraphs | ForEach-Object { "$($_.Text)" }) -join ' ').Trim()
    }
}

Describe 'The manifest' {
    It 'gives the version that the module is loaded with' {
        $module.Version | Should -Be ([version]$manifest.ModuleVersion)
    }

    It 'asks for PowerShell 7.6 and the Core edition' {
        $manifest.PowerShellVersion | Should -Be '7.6'
        $manifest.CompatiblePSEditions | Should -Be 'Core'
    }

    It 'lists every cmdlet by name, and each one is there' {
        $manifest.CmdletsToExport | Should -Not -BeNullOrEmpty
        foreach ($name in $manifest.CmdletsToExport) { $exported | Should -Contain $name }
        $exported | Should -HaveCount $manifest.CmdletsToExport.Count
    }

    It 'exports every cmdlet that the assembly has' {
        $types = $module.ExportedCmdlets.Values | ForEach-Object { $_.ImplementingType }
        foreach ($type in @($types)[0].Assembly.GetExportedTypes()) {
            if ($type.IsAbstract -or -not $type.IsSubclassOf([System.Management.Automation.Cmdlet])) { continue }
            $types | Should -Contain $type
        }
    }

    It 'exports no functions and no variables' {
        $module.ExportedFunctions.Count | Should -Be 0
        $module.ExportedVariables.Count | Should -Be 0
    }

    It 'lists every alias by name, and each one leads to a cmdlet of the module' {
        @($module.ExportedAliases.Keys) | Should -HaveCount @($manifest.AliasesToExport).Count
        foreach ($alias in $module.ExportedAliases.Values) { $alias.ResolvedCommand.ModuleName | Should -Be 'PsMigrate' }
    }
}

Describe 'The cmdlets' {
    It 'include <_>' -ForEach $cmdlets {
        $exported | Should -Contain $_
    }

    It 'have approved verbs' {
        # Get-Verb is not everywhere; this is where it has them from.
        $verbs = [System.Management.Automation.PSCmdlet].Assembly.GetExportedTypes() |
            Where-Object { $_.IsAbstract -and $_.IsSealed -and $_.FullName.StartsWith('System.Management.Automation.Verbs') } |
            ForEach-Object { $_.GetFields() } | ForEach-Object { $_.Name }
        $verbs | Should -Contain 'Get'
        foreach ($cmdlet in $module.ExportedCmdlets.Values) { $cmdlet.Verb | Should -BeIn $verbs -Because "$cmdlet uses it" }
    }

    It 'say what they give' {
        foreach ($cmdlet in $module.ExportedCmdlets.Values) { $cmdlet.OutputType | Should -Not -BeNullOrEmpty -Because "$cmdlet writes it" }
    }
}

Describe 'The help' {
    It 'has a synopsis, a description and an example for every cmdlet' {
        foreach ($name in $exported) {
            $help = Get-Help $name -Full
            # Where there is no help, PowerShell shows the syntax in place of the synopsis.
            "$($help.Synopsis)".Trim() | Should -Not -BeLike "$name *" -Because "$name needs a synopsis"
            $help.Synopsis | Should -Not -BeNullOrEmpty -Because "$name needs a synopsis"
            Get-Text $help.description | Should -Not -BeNullOrEmpty -Because "$name needs a description"
            @($help.examples.example)[0].code | Should -Not -BeNullOrEmpty -Because "$name needs an example"
        }
    }

    It 'describes every parameter' {
        foreach ($cmdlet in $module.ExportedCmdlets.Values) {
            $described = @{}
            foreach ($parameter in (Get-Help $cmdlet.Name -Full).parameters.parameter) {
                if ($parameter.name) { $described[$parameter.name] = Get-Text $parameter.description }
            }
            foreach ($name in Get-DocumentedParameter $cmdlet) {
                $described[$name] | Should -Not -BeNullOrEmpty -Because "$($cmdlet.Name) -$name needs a description"
            }
        }
    }

    It 'describes no parameter that is not there' {
        foreach ($cmdlet in $module.ExportedCmdlets.Values) {
            foreach ($parameter in (Get-Help $cmdlet.Name -Full).parameters.parameter) {
                if ($parameter.name) { $parameter.name | Should -BeIn $cmdlet.Parameters.Keys -Because "help of $($cmdlet.Name) names it" }
            }
        }
    }
}
