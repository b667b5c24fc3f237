@{
    RootModule           = 'PsMigrate.dll'
    ModuleVersion        = '0.1.0'
    GUID                 = 'cc1d28eb-c588-4694-a38f-14a510a516a5'
    Author               = 'The PsMigrate contributors'
    CompanyName          = 'The PsMigrate contributors'
    Copyright            = 'Copyright (c) 2026 the PsMigrate contributors. MIT license.'
    Description          = 'Live migration of running guests, with QEMU''s phases and QEMU''s bytes on the wire, as objects on the pipeline.'

    # 7.6 is the first PowerShell on .NET 10; an older one would fail with a loader error instead of this requirement.
    PowerShellVersion    = '7.6'
    CompatiblePSEditions = @('Core')

    FormatsToProcess     = @(
        'PsMigrate.Guests.Format.ps1xml', 'PsMigrate.Migrations.Format.ps1xml', 'PsMigrate.Forecasts.Format.ps1xml',
        'PsMigrate.Receivers.Format.ps1xml', 'PsMigrate.Streams.Format.ps1xml', 'PsMigrate.Policies.Format.ps1xml',
        'PsMigrate.Traces.Format.ps1xml')
    TypesToProcess       = @('PsMigrate.Types.ps1xml')

    # Explicit, so that PowerShell can load the module by a command's name without opening the assembly.
    CmdletsToExport      = @(
        'New-MigrationGuest'
        'Get-MigrationGuest'
        'Remove-MigrationGuest'
        'Suspend-MigrationGuest'
        'Resume-MigrationGuest'
        'Save-MigrationGuest'
        'Restore-MigrationGuest'
        'Connect-MigrationGuest'
        'Disconnect-MigrationGuest'
        'Measure-GuestDirtyRate'
        'Test-VmMigration'
        'New-MigrationPolicy'
        'Compare-MigrationPolicy'
        'Start-VmMigration'
        'Get-MigrationState'
        'Wait-Migration'
        'Stop-Migration'
        'Set-Migration'
        'Complete-Migration'
        'Switch-Migration'
        'Suspend-Migration'
        'Resume-Migration'
        'Start-MigrationReceiver'
        'Get-MigrationReceiver'
        'Wait-MigrationReceiver'
        'Stop-MigrationReceiver'
        'Read-MigrationStream'
    )
    AliasesToExport      = @('Stop-VmMigration', 'Get-VmMigration')
    FunctionsToExport    = @()
    VariablesToExport    = @()

    PrivateData          = @{
        PSData = @{
            Tags = @(
                'Migration', 'LiveMigration', 'VirtualMachine', 'QEMU', 'Testing'
                'PSEdition_Core', 'Windows', 'Linux', 'MacOS'
            )
        }
    }
}
