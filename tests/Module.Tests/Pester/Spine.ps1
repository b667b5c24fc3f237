# The order and the scopes in which a test file runs, as Pester has them:
#
#   & { # block            . BeforeAll ... . AfterAll
#       & { # inner block  . BeforeAll ... . AfterAll
#           & { # test     . BeforeEach (outer first); . It; . AfterEach (inner first) } } }
#
# It is a file of its own because only a script file opens a script scope ($script:), and each phase needs a fresh one.
# Each step runs inside a loop of one round: break and continue end that loop at the most, and the step is then
# known not to have come to its end.
param($____pester)

$____runTest = {
    param($____test)
    foreach ($____step in $____test.Variables) { $ExecutionContext.SessionState.PSVariable.Set($____step.Key, $____step.Value) }
    try {
        foreach ($____step in $____test.SetUpAndBody) {
            do { $____test.Enter($____step); $null = . $____step.Script; $____step.Completed = $true } while ($false)
            $____step.AssertCompleted()
        }
    }
    catch { $____test.Fail($_) }
    finally {
        foreach ($____step in $____test.TearDown) {
            try {
                do { $____test.Enter($____step); $null = . $____step.Script; $____step.Completed = $true } while ($false)
                $____step.AssertCompleted()
            }
            catch { $____test.Fail($_) }
        }
        $____test.Leave()
    }
}

$____runBlock = {
    param($____block)
    $____block.Begin()
    foreach ($____step in $____block.Variables) { $ExecutionContext.SessionState.PSVariable.Set($____step.Key, $____step.Value) }
    try {
        foreach ($____step in $____block.SetUp) {
            do { $____block.Enter($____step); $null = . $____step.Script; $____step.Completed = $true } while ($false)
            $____step.AssertCompleted()
        }
        foreach ($____child in $____block.ToRun) {
            if ($____child.IsTest) { & $____runTest $____child } else { & $____runBlock $____child }
        }
    }
    catch { $____block.FailSetUp($_) }
    finally {
        foreach ($____step in $____block.TearDown) {
            try {
                do { $____block.Enter($____step); $null = . $____step.Script; $____step.Completed = $true } while ($false)
                $____step.AssertCompleted()
            }
            catch { $____block.FailTearDown($_) }
        }
        $____block.End()
    }
}

if ($____pester.Discovering) {
    try { & { $null = . $____pester.Path } } catch { $____pester.Fail($_) }
}
else {
    & $____runBlock $____pester.Root
}
$____pester.Finished = $true
