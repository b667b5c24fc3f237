using System.Reflection;
using System.Runtime.CompilerServices;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// Compiles what a receiver will need before it is there: in a new process that costs about 20 ms in the
/// middle of a migration otherwise, a third of them while the guest stands still. Nothing is run.
/// </summary>
static class Readiness
{
    static readonly string[] Parts = ["Destination", "Ram", "Protocol", "Transport", "VmState", "Guests"];
    static readonly WarmUp Work = new("migration receiver, getting ready", ThreadPriority.BelowNormal, PrepareAll);

    /// <summary>Once a process, in the background; returns at once.</summary>
    public static void Prepare() => Work.Begin();

    /// <summary>Waits for its end, and on a busy machine not for ever.</summary>
    public static void Await() => Work.Await();

    static void PrepareAll()
    {
        var root = typeof(Migration).Namespace;
        foreach (var type in typeof(Readiness).Assembly.GetTypes())
            if (!type.ContainsGenericParameters && Parts.Any(part => type.Namespace == $"{root}.{part}")) Prepare(type);
    }

    static void Prepare(Type type)
    {
        const BindingFlags All = BindingFlags.DeclaredOnly | BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;
        foreach (var method in type.GetMembers(All).OfType<MethodBase>().Where(IsOurCode))
        {
            try
            {
                RuntimeHelpers.PrepareMethod(method.MethodHandle);
            }
#pragma warning disable CA1031 // What can't be compiled now is compiled, or fails, when it is called.
            catch (Exception)
#pragma warning restore CA1031
            {
            }
        }
    }

    static bool IsOurCode(MethodBase method) =>
        !method.IsAbstract && !method.ContainsGenericParameters && !method.Attributes.HasFlag(MethodAttributes.PinvokeImpl)
        && (method.MethodImplementationFlags & MethodImplAttributes.CodeTypeMask) == MethodImplAttributes.IL;
}
