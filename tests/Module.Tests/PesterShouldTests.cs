namespace PsMigrate.ModuleTests;

/// <summary>Should compares as Pester 5 does, also where that surprises.</summary>
public sealed class PesterShouldTests : IDisposable
{
    readonly PesterSandbox _sandbox = new();

    public void Dispose() => _sandbox.Dispose();

    [Theory]
    [InlineData("'a' | Should -Be 'A'; 'a' | Should -Not -BeExactly 'A'; 'a' | Should -BeExactly a; 1 | Should -Be '1'")]
    [InlineData("1, 2 | Should -Be @(1, 2); 1, 2 | Should -Not -Be @(2, 1); @(1) | Should -Be 1; 1 | Should -EQ 1")]
    [InlineData("$null | Should -Be $null; @() | Should -Be $null; '' | Should -Not -Be $null; @(1, @(2, 3)) | Should -Be @(1, @(2, 3))")]
    [InlineData("$l = [Collections.Generic.List[int]]@(1, 2); $l | Should -Be $l; 1, 2 | Should -Be $l")]
    [InlineData("Should -ActualValue 1 -Be 1; 1 | Should -Be 1 -ErrorAction Stop")]
    [InlineData("$true | Should -BeTrue; 1 | Should -BeTrue; $null | Should -BeFalse; @() | Should -BeFalse; 0 | Should -Not -BeTrue")]
    [InlineData("$null | Should -BeNullOrEmpty; '' | Should -BeNullOrEmpty; @() | Should -BeNullOrEmpty; @{} | Should -BeNullOrEmpty")]
    [InlineData("0 | Should -Not -BeNullOrEmpty; @($null, $null) | Should -Not -BeNullOrEmpty; @{ a = 1 } | Should -Not -BeNullOrEmpty")]
    [InlineData("2 | Should -BeGreaterThan 1; 1, 2 | Should -BeGreaterThan 0")]
    [InlineData("1 | Should -BeGreaterOrEqual 1; 1 | Should -Not -BeGreaterThan 1")]
    [InlineData("1 | Should -BeLessThan 2; 1 | Should -BeLessOrEqual 1")]
    [InlineData("1MB | Should -LT 2MB; [timespan]'0:01' | Should -BeLessThan ([timespan]'0:02')")]
    [InlineData("'abc' | Should -BeLike 'A*'; 'abc' | Should -Not -BeLikeExactly 'A*'; 'abc' | Should -BeLikeExactly 'a*'")]
    [InlineData("'abc' | Should -Match '^A'; 'abc' | Should -Not -MatchExactly '^A'; 'abc' | Should -Match b -Because 'of b'")]
    [InlineData("1 | Should -BeOfType [int]; 1 | Should -BeOfType int; 1, 2 | Should -BeOfType ([int]); $null | Should -Not -BeOfType int")]
    [InlineData("'x' | Should -BeOfType System.Object; 'x' | Should -HaveType string; 'x' | Should -Not -BeOfType int")]
    [InlineData("1, 2 | Should -Contain 2; 1, 2 | Should -Not -Contain 3")]
    [InlineData("'A' | Should -Contain a; 1 | Should -BeIn 1, 2; 3 | Should -Not -BeIn 1")]
    [InlineData("1, 2 | Should -HaveCount 2; @() | Should -HaveCount 0; 'abc' | Should -HaveCount 1; 1 | Should -Not -HaveCount 2")]
    [InlineData("$PSScriptRoot | Should -Exist; \"$PSScriptRoot/nothing\" | Should -Not -Exist")]
    [InlineData("{ throw 'a b' } | Should -Throw; { throw 'a b' } | Should -Throw 'a*'; { 1 } | Should -Not -Throw")]
    [InlineData("{ [int]::Parse('x') } | Should -Throw -ErrorId FormatException "
        + "-ExceptionType ([System.Management.Automation.MethodInvocationException])")]
    [InlineData("$e = { throw 'a' } | Should -Throw -PassThru; "
        + "$e.Exception.Message | Should -Be a; $e.GetType().Name | Should -Be ErrorRecord")]
    [InlineData("$x = 1; { $x | Should -Be 2 } | Should -Throw '*2*'; { $x | Should -Be 1 } | Should -Not -Throw")]
    [InlineData("Get-Command Get-Help | Should -HaveParameter Name -Type string; Get-Command Get-Help | Should -Not -HaveParameter Nope")]
    [InlineData("Get-Command Where-Object | Should -HaveParameter Property -Mandatory -InParameterSet EqualSet")]
    [InlineData("function f { param([Alias('Zed')][int]$A = 3) }; "
        + "Get-Command f | Should -HaveParameter A -DefaultValue 3 -Alias Zed -Type ([int])")]
    [InlineData("Get-Command Get-Help | Should -HaveParameter Name -Not -Mandatory")]
    public void What_holds_passes(string body) => _sandbox.Passes(body);

    [Theory]
    [InlineData("'a' | Should -Be 'b'")]
    [InlineData("'a' | Should -Not -Be 'A'")]
    [InlineData("'a' | Should -BeExactly 'A'")]
    [InlineData("1, 2 | Should -Be @(1, 2, 3)")]
    [InlineData("@() | Should -Be 1")]
    [InlineData("@() | Should -BeTrue")]
    [InlineData("1, 0 | Should -BeTrue")]
    [InlineData("1 | Should -BeFalse")]
    [InlineData("0 | Should -BeNullOrEmpty")]
    [InlineData("'' | Should -Not -BeNullOrEmpty")]
    [InlineData("1 | Should -BeGreaterThan 1")]
    [InlineData("2, 1 | Should -BeGreaterThan 1")]
    [InlineData("1 | Should -BeLessThan 1")]
    [InlineData("2 | Should -BeLessOrEqual 1")]
    [InlineData("1 | Should -BeGreaterOrEqual 2")]
    [InlineData("'abc' | Should -BeLike 'b*'")]
    [InlineData("'abc' | Should -Match '^b'")]
    [InlineData("'abc' | Should -Not -Match '('")]
    [InlineData("1 | Should -BeOfType string")]
    [InlineData("1 | Should -Not -BeOfType NoSuchType")]
    [InlineData("1, 2 | Should -Contain 3")]
    [InlineData("3 | Should -BeIn 1, 2")]
    [InlineData("1, 2 | Should -HaveCount 1")]
    [InlineData("'/no/such/path' | Should -Exist")]
    [InlineData("{ 1 } | Should -Throw")]
    [InlineData("{ break } | Should -Throw")]
    [InlineData("{ throw 'a' } | Should -Not -Throw")]
    [InlineData("{ throw 'a' } | Should -Throw 'b'")]
    [InlineData("{ throw 'a' } | Should -Throw -ErrorId b")]
    [InlineData("{ throw 'a' } | Should -Throw -ExceptionType ([System.FormatException])")]
    [InlineData("'text' | Should -Not -Throw")]
    [InlineData("Get-Command Get-Help | Should -HaveParameter Nope")]
    [InlineData("Get-Command Get-Help | Should -Not -HaveParameter Name")]
    [InlineData("Get-Command Get-Help | Should -Not -HaveParameter Name -Alias Nope")]
    [InlineData("Get-Command Get-Help | Should -HaveParameter Name -Mandatory")]
    [InlineData("Get-Command Get-Help | Should -HaveParameter Name -Type int")]
    [InlineData("Get-Command Get-Help | Should -HaveParameter Name -DefaultValue x")]
    [InlineData("'Get-Help' | Should -HaveParameter Name")]
    public void What_does_not_hold_fails(string body) => _sandbox.Fails(body);
}
