using PsMigrate.ModuleTests.Pester;

namespace PsMigrate.ModuleTests;

/// <summary>The runner must never accept what Pester would refuse, nor pass what Pester would fail.</summary>
public sealed class PesterRunnerTests : IDisposable
{
    readonly PesterSandbox _sandbox = new();

    public void Dispose() => _sandbox.Dispose();

    [Fact]
    public void A_test_whose_assertions_hold_passes() => _sandbox.Passes("1 | Should -Be 1");

    [Fact]
    public void A_failed_assertion_fails_its_test_and_names_value_file_and_line()
    {
        var message = _sandbox.Fails("$x = 1\n$x | Should -Be 2 -Because 'two is asked for'");
        Assert.Contains("Expected 2, because two is asked for, but got 1.", message, StringComparison.Ordinal);
        Assert.Contains("One.Tests.ps1:4", message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_error_ends_its_test_and_fails_it()
    {
        Assert.Contains("FormatException", _sandbox.Fails("[int]::Parse('x'); 1 | Should -Be 1"), StringComparison.Ordinal);
        Assert.Contains("boom", _sandbox.Fails("throw 'boom'"), StringComparison.Ordinal);
        Assert.Contains("No-SuchCommand", _sandbox.Fails("No-SuchCommand"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_failed_assertion_is_not_lost_to_the_error_preference() =>
        _sandbox.Fails("$ErrorActionPreference = 'SilentlyContinue'; 1 | Should -Be 2; 1 | Should -Be 1");

    [Theory]
    [InlineData("break")]
    [InlineData("continue")]
    [InlineData("1, 2 | ForEach-Object { break }")]
    [InlineData("function Leave { break }; Leave; 1 | Should -Be 2")]
    public void A_break_that_leaves_a_test_fails_it_although_Pester_would_pass_it(string body) =>
        Assert.Contains("Pester would report the test as passed", _sandbox.Fails(body), StringComparison.Ordinal);

    [Fact]
    public void A_break_in_a_loop_is_fine() =>
        _sandbox.Passes("$n = 0; while ($true) { $n++; if ($n -eq 3) { break } }; $n | Should -Be 3");

    [Theory]
    [InlineData("& ([scriptblock]::Create('exit'))")]
    [InlineData("break nowhere")]
    public void Leaving_the_whole_file_fails_the_test_and_the_rest(string body)
    {
        var file = _sandbox.Run($"Describe 'D' {{ It 'leaves' {{ {body} }}\n It 'waits' {{ 1 | Should -Be 1 }} }}");
        Assert.All(file.Tests, test => Assert.Equal(PesterOutcome.Failed, test.Outcome));
        Assert.Contains("D / leaves", Assert.Single(file.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void A_test_can_skip_itself()
    {
        var test = Assert.Single(_sandbox.Run(PesterSandbox.One("Set-ItResult -Skipped -Because 'no QEMU'; 1 | Should -Be 2")).Tests);
        Assert.Equal(PesterOutcome.Skipped, test.Outcome);
        Assert.Equal("no QEMU", test.Message);
    }

    [Fact]
    public void Skipped_tests_and_the_set_up_of_nothing_but_skipped_tests_do_not_run()
    {
        var file = _sandbox.Run("""
            Describe 'D' {
                BeforeAll { throw 'must not run' }
                It 'is skipped' -Skip { throw 'must not run' }
                It 'is skipped on a condition' -Skip:(1 -eq 1) { throw 'must not run' }
            }
            """);
        Assert.Empty(file.Errors);
        Assert.All(file.Tests, test => Assert.Equal(PesterOutcome.Skipped, test.Outcome));
    }

    [Fact]
    public void Output_and_non_terminating_errors_do_not_matter() =>
        _sandbox.Passes("1; 'text'; Get-Command No-SuchCommand -ErrorAction SilentlyContinue");

    [Fact]
    public void A_test_that_hangs_is_named()
    {
        var file = _sandbox.Run(PesterSandbox.One("while ($true) { [Threading.Thread]::Sleep(5) }"), TimeSpan.FromSeconds(2));
        Assert.Contains("It of 'D / does' did not end", Assert.Single(file.Errors), StringComparison.Ordinal);
        Assert.Equal(PesterOutcome.Failed, Assert.Single(file.Tests).Outcome);
    }
}
