using System.Text.Json.Nodes;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>
/// QEMU takes no throttle as a value: auto-converge alone sets one (mig_throttle_guest_down), when two looks at the log, each more than a second after
/// the one before, found more dirtied than throttle-trigger-threshold percent of what was sent. It then goes to cpu-throttle-initial, or on by
/// cpu-throttle-increment, and never beyond max-cpu-throttle, also where it was beyond. With a large increment, and the other two the same, that is the
/// value that is wanted, upwards and downwards; 1 % is the least that there is once it has begun. Pure.
/// </summary>
static class ThrottleSteering
{
    const int Least = 1;
    const int Always = 1;
    const int Seldom = 100;

    static readonly string[] Names = ["cpu-throttle-initial", "cpu-throttle-increment", "max-cpu-throttle", "throttle-trigger-threshold"];

    const string Why = "A policy or a script says how much the guest is slowed down; it has its former value afterwards.";

    /// <summary>Before it begins: nothing is to be slowed down, and where auto-converge acts all the same it is by 1 %.</summary>
    public static void Begin(QemuParameters known, EndSettings to)
    {
        foreach (var (name, value) in Names.Zip([Least, 99, Least, Seldom])) to.Set(name, known.Number(name), value, Why);
        to.Set("cpu-throttle-tailslow", known.Flag("cpu-throttle-tailslow"), false);
    }

    /// <summary>Adds what has it go to so many percent, 0 to 99.</summary>
    /// <param name="percent">How much.</param>
    /// <param name="hasBegun">Whether it was ever more than 0.</param>
    /// <param name="to">Arguments of migrate-set-parameters.</param>
    public static void Add(int percent, bool hasBegun, JsonObject to)
    {
        var value = Math.Max(percent, Least);
        (to[Names[0]], to[Names[2]]) = (value, value);
        to[Names[3]] = percent > 0 || hasBegun ? Always : Seldom;
    }

    /// <summary>As it was before.</summary>
    public static JsonObject Restore(QemuParameters known)
    {
        var to = new JsonObject();
        foreach (var name in Names)
            if (known.Number(name) is { } value) to[name] = value;
        if (known.Flag("cpu-throttle-tailslow") is { } slow) to["cpu-throttle-tailslow"] = slow;
        return to;
    }
}
