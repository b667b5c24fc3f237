namespace PsMigrate.ModuleTests;

/// <summary>What the runner does not know, or Pester would not take, has to be loud and to name its place.</summary>
public sealed class PesterRefusalTests : IDisposable
{
    readonly PesterSandbox _sandbox = new();

    public void Dispose() => _sandbox.Dispose();

    [Theory]
    [InlineData("1 | Should -BeFoo 1", "Should -BeFoo is not supported")]
    [InlineData("1 | Should -BeTru", "Should -BeTru is not supported")]
    [InlineData("Should -Invoke Get-Command", "Should -Invoke is not supported")]
    [InlineData("Mock Get-Command { }", "Mock is not supported")]
    [InlineData("InModuleScope PsMigrate { 1 | Should -Be 1 }", "InModuleScope is not supported")]
    [InlineData("Set-ItResult -Inconclusive", "Set-ItResult -Inconclusive is not supported")]
    [InlineData("$a = @{ Be = 1 }; 1 | Should @a", "Splatting to Should is not supported")]
    [InlineData("exit 0", "An exit ends")]
    [InlineData("if (", "Missing")]
    public void A_part_of_Pester_that_is_not_there_is_refused_with_its_line(string body, string reason)
    {
        var refusal = _sandbox.Refused(PesterSandbox.One(body));
        Assert.Contains(reason, refusal, StringComparison.Ordinal);
        Assert.Contains("One.Tests.ps1:3", refusal, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "has no tests")]
    [InlineData("Describe 'D' { }", "has no tests")]
    [InlineData("It 'is at the top' { }", "has to be inside a Describe")]
    [InlineData("BeforeEach { }\nDescribe 'D' { It 'does' { } }", "BeforeEach has to be inside a Describe")]
    [InlineData("Describe 'D' { BeforeAll { }\nBeforeAll { }\nIt 'does' { } }", "drop the first one")]
    [InlineData("Describe 'D' { It 'does' -ForEach @() { } }", "-ForEach got nothing")]
    [InlineData("Describe 'D' -ForEach $null { It 'does' { } }", "-ForEach got nothing")]
    [InlineData("Describe 'D' { It 'is <unknown>' { } }", "<unknown> in the name")]
    [InlineData("Describe 'D' { It 'does' { param($a) } -TestCases @{ a = 1 } }", "A param() block in It")]
    [InlineData("Describe 'D' { It 'does' }", "no script block")]
    [InlineData("Describe 'D'\n{ It 'does' { } }", "no script block")]
    [InlineData("Describe 'D' { It 'does' { }; throw 'in discovery' }", "in discovery")]
    [InlineData("Describe 'D' { [int]::Parse('x'); It 'does' { } }", "FormatException")]
    [InlineData("Describe 'D' { It 'does' { }; exit }", "An exit ends")]
    [InlineData("Describe 'D' { It 'does' { }; Set-ItResult -Skipped }", "skipped")]
    [InlineData("param($x)\nDescribe 'D' { It 'does' { } }", "file with parameters")]
    [InlineData("Describe 'D' { It 'does' -Pending { } }", "It -Pending is not supported")]
    public void A_file_that_would_test_nothing_or_something_else_is_refused(string text, string reason) =>
        Assert.Contains(reason, _sandbox.Refused(text), StringComparison.Ordinal);

    [Theory]
    [InlineData("Describe 'inner' { It 'does' { } }", "inside a running test")]
    [InlineData("BeforeAll { }", "inside a running test")]
    [InlineData("1 | Should", "parameter")]
    [InlineData("1 | Should -Be 1 -BeTrue", "parameter cannot be found")]
    [InlineData("1 | Should -Be 1 -ExpectedMessage x", "parameter cannot be found")]
    [InlineData("Should -ActualValue @(1, 2) -HaveCount 2", "Pipe a collection")]
    public void What_shows_only_in_the_run_fails_its_test(string body, string reason) =>
        Assert.Contains(reason, _sandbox.Fails(body), StringComparison.Ordinal);
}
