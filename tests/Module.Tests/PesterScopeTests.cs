using PsMigrate.ModuleTests.Pester;

namespace PsMigrate.ModuleTests;

/// <summary>Who sees which variable, and when, is where Pester files go wrong; here it has to go wrong in the same way.</summary>
public sealed class PesterScopeTests : IDisposable
{
    readonly PesterSandbox _sandbox = new();

    public void Dispose() => _sandbox.Dispose();

    [Fact]
    public void What_discovery_sets_is_not_there_when_the_tests_run() => _sandbox.AllPass("""
        $top = 1; $script:scripted = 1
        function Get-Top { 1 }
        BeforeDiscovery { $early = 1 }
        BeforeAll { $inBeforeAll = $top }
        Describe 'D' {
            $body = 1
            It 'sees none of them' {
                "$top$body$script:scripted$early$inBeforeAll" | Should -BeNullOrEmpty
                { Get-Top } | Should -Throw -ErrorId CommandNotFoundException
            }
        }
        """);

    [Fact]
    public void What_BeforeAll_sets_is_seen_inside_its_block_and_nowhere_else() => _sandbox.AllPass("""
        BeforeAll { $file = 'f'; function Get-Helper { "helper of $file" } }
        Describe 'outer' {
            BeforeAll { $outer = 'o' }
            Context 'inner' {
                BeforeAll { $inner = "$file$outer" }
                It 'sees all' { "$file$outer$inner" | Should -Be 'fofo'; Get-Helper | Should -Be 'helper of f' }
            }
            It 'does not see the inner block' { $inner | Should -BeNullOrEmpty; $outer | Should -Be 'o' }
            AfterAll { $outer | Should -Be 'o' }
        }
        Describe 'other' { It 'does not see its neighbour' { $outer | Should -BeNullOrEmpty; $file | Should -Be 'f' } }
        """);

    [Fact]
    public void A_test_shares_its_scope_with_its_set_up_and_leaks_nothing() => _sandbox.AllPass("""
        Describe 'D' {
            BeforeAll { $log = [System.Collections.ArrayList]::new(); $kept = 1 }
            BeforeEach { $each = 'outer'; $null = $log.Add('be') }
            AfterEach { $null = $log.Add("ae $inTest") }
            Context 'C' {
                BeforeEach { $each += ' inner' }
                AfterEach { $null = $log.Add('inner') }
                It 'first' { $each | Should -Be 'outer inner'; $inTest = 'one'; $kept = 2; $script:shared = 3 }
                It 'second' {
                    $inTest | Should -BeNullOrEmpty
                    $kept | Should -Be 1
                    $shared | Should -Be 3
                    $log | Should -Be @('be', 'inner', 'ae one', 'be')
                }
            }
        }
        """);

    [Fact]
    public void Data_become_variables_and_names()
    {
        var file = _sandbox.AllPass("""
            BeforeDiscovery { $cases = @(@{ a = 1; b = 2 }, @{ a = 3; b = 4 }) }
            Describe 'block <_>' -ForEach 'x', 'y' {
                It 'adds <a> and <b>, costs $5, has `<none`>' -ForEach $cases { $b | Should -Be ($a + 1); $_.a | Should -Be $a }
                It 'has the value of the block, <_.Length> long' { $_ | Should -BeIn 'x', 'y' }
                It 'may be <_>' -TestCases 1, 2 { $_ | Should -BeLessThan 3 }
            }
            """);
        Assert.Equal(10, file.Tests.Count);
        Assert.Equal("block x / adds 1 and 2, costs $5, has <none>", file.Tests[0].Title);
        Assert.Equal("block y / has the value of the block, 1 long", file.Tests[7].Title);
        Assert.Equal("block y / may be 2", file.Tests[9].Title);
    }

    [Fact]
    public void A_file_knows_where_it_is_in_both_phases()
    {
        _sandbox.Write("common.ps1", "function Get-Common { 'common' }\n$fromCommon = $PSScriptRoot");
        _sandbox.AllPass("""
            BeforeAll { . $PSScriptRoot/common.ps1 }
            Describe 'D' {
                It 'knows the file' -Skip:([string]::IsNullOrEmpty($PSScriptRoot)) {
                    $PSCommandPath | Should -Exist
                    [IO.Path]::GetFileName($PSCommandPath) | Should -Be 'One.Tests.ps1'
                    [IO.Path]::GetDirectoryName($PSCommandPath) | Should -BeExactly $PSScriptRoot
                    $fromCommon | Should -BeExactly $PSScriptRoot
                    Get-Common | Should -Be 'common'
                }
            }
            """);
    }

    [Fact]
    public void The_test_drive_lives_as_long_as_the_file_and_each_block_cleans_up() => _sandbox.AllPass("""
        BeforeAll { [IO.File]::WriteAllText("$TestDrive/all.txt", 'x') }
        Describe 'D' {
            Context 'writes' { It 'does' { [IO.File]::WriteAllText("$TestDrive/one.txt", 'x'); 'TestDrive:/one.txt' | Should -Exist } }
            Context 'reads' { It 'does' { "$TestDrive/one.txt" | Should -Not -Exist; "$TestDrive/all.txt" | Should -Exist } }
        }
        """);

    [Fact]
    public void A_set_up_that_fails_fails_every_test_below_it_and_a_tear_down_fails_the_file()
    {
        var file = _sandbox.Run("""
            Describe 'D' {
                BeforeAll { [int]::Parse('set-up') }
                It 'one' { }
                Context 'C' { It 'two' { } }
            }
            Describe 'E' { AfterAll { throw 'tear-down' }; It 'three' { } }
            """);
        Assert.Equal([PesterOutcome.Failed, PesterOutcome.Failed, PesterOutcome.Passed], file.Tests.Select(t => t.Outcome));
        Assert.Contains("set-up", file.Tests[1].Message, StringComparison.Ordinal);
        Assert.Contains("tear-down", Assert.Single(file.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void A_tear_down_runs_after_a_failure_and_its_own_failure_counts()
    {
        var file = _sandbox.Run("""
            Describe 'D' {
                BeforeAll { $state = @{ Torn = 0 } }
                AfterEach { $state.Torn++; if ($state.Torn -eq 2) { throw 'torn' } }
                It 'fails' { throw 'first' }
                It 'is torn' { $state.Torn | Should -Be 1 }
                It 'is fine' { $state.Torn | Should -Be 2 }
            }
            """);
        Assert.Equal([PesterOutcome.Failed, PesterOutcome.Failed, PesterOutcome.Passed], file.Tests.Select(t => t.Outcome));
    }
}
