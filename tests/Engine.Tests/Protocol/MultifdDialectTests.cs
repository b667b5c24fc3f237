using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Tests.Protocol;

/// <summary>Which QEMU expects which marks and looks where for zero pages.</summary>
public sealed class MultifdDialectTests
{
    [Theory]
    [InlineData("7.2.22", "none", true, false)]
    [InlineData("7.2", "pc-i440fx-7.2", true, false)]
    [InlineData("8.0.5", "none", true, false)]
    [InlineData("8.1", "none", false, false)]
    [InlineData("8.1.0", "pc-q35-8.0", true, false)]
    [InlineData("8.2.1", "pc-q35-8.1", false, false)]
    [InlineData("9.0", "none", false, true)]
    [InlineData("9.0.0", "pc-q35-9.0", false, true)]
    [InlineData("9.2", "pc-q35-8.2", false, false)]
    [InlineData("10.0.2", "microvm", false, true)]
    [InlineData("10.0.2", "pc-i440fx-7.2", true, false)]
    [InlineData("10.0.2", "pc-i440fx-10.0", false, true)]
    [InlineData("11.1", "pc-q35-2.12", true, false)]
    [InlineData("7.2", "pc-q35-rhel8.6.0", true, false)]
    public void Release_and_machine_decide(string release, string machine, bool marksSections, bool hasZeroPages) =>
        Assert.Equal(new MultifdDialect(marksSections, hasZeroPages), MultifdDialect.Of(Version.Parse(release), machine));

    [Theory]
    [InlineData("pc-q35-rhel9.2.0")]
    [InlineData("pc-i440fx-jammy")]
    public void A_distributors_machine_type_does_not_tell(string machine)
    {
        var error = Assert.Throws<MigrationException>(() => MultifdDialect.Of(new(10, 0), machine));
        Assert.Equal((MigrationErrorId.PeerVersionUnknown, MigrationSide.User), (error.Id, error.Side));
    }
}
