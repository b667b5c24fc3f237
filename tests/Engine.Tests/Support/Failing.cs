using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>Asserts that something fails for one reason.</summary>
static class Failing
{
    /// <summary>The failure, for what else is to be said of it.</summary>
    public static MigrationException With(MigrationErrorId expected, Action action)
    {
        var error = Assert.Throws<MigrationException>(action);
        Assert.True(expected == error.Id, $"{error.Id} is not {expected}: {error.Message}");
        return error;
    }
}
