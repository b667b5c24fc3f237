using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>A lower -MaxThrottle for a QEMU that slows its guest down by itself.</summary>
public sealed class ScriptedThrottleTests
{
    static void Pass(ScriptedSource qemu, Migration migration, int pass)
    {
        qemu.Pass(pass, transferred: pass << 20, normal: pass << 8);
        Patience.Until(() => migration.GetState().Current.Qemu.DirtySyncCount >= pass, $"pass {pass}");
    }

    static long? Trigger(ScriptedSource qemu) =>
        qemu.Settings.LastOrDefault(one => one.ContainsKey("throttle-trigger-threshold"))?["throttle-trigger-threshold"]!.GetValue<long>();

    static (ScriptedSource, Migration) Start()
    {
        var qemu = new ScriptedSource { Has = ["auto-converge"], Throttle = 80 };
        var migration = qemu.Start(new MigrationParameters { AutoConverge = true });
        Pass(qemu, migration, 1);
        return (qemu, migration);
    }

    [Fact]
    public void QEMU_is_made_to_go_by_it_and_the_trigger_is_set_back_when_it_has()
    {
        var (qemu, migration) = Start();
        using var _ = qemu;
        migration.SetLimits(new MigrationLimits { MaxThrottle = 50 });
        Assert.Equal((50, 1), (qemu.Settings[^1]["max-cpu-throttle"]!.GetValue<int>(), Trigger(qemu)));
        Pass(qemu, migration, 2);
        migration.SetLimits(new MigrationLimits { ThrottleTrigger = 30 });
        Assert.Equal(1, Trigger(qemu));
        qemu.Throttle = 50;
        Pass(qemu, migration, 3);
        Patience.Until(() => Trigger(qemu) == 30, "the trigger is as it was asked for");
        Assert.Contains(migration.GetState().Decisions, one => one is { What: "Throttle trigger", To: "1 %" });
        var told = qemu.Settings.Length;
        migration.SetLimits(new MigrationLimits { MaxThrottle = 60 });
        Pass(qemu, migration, 4);
        Assert.Equal((told + 1, 30), (qemu.Settings.Length, Trigger(qemu)));
        qemu.Report("failed");
        DrivenPair.End(migration);
    }

    [Fact]
    public void The_trigger_is_set_back_also_where_the_migration_ends_before()
    {
        var (qemu, migration) = Start();
        using var _ = qemu;
        migration.SetLimits(new MigrationLimits { MaxThrottle = 50 });
        qemu.Report("failed");
        DrivenPair.End(migration);
        Assert.Equal(50, Trigger(qemu));
    }
}
