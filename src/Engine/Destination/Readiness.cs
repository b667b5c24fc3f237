using System.Reflection;
using System.Runtime.CompilerServices;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// Compiles what a receiver will need, while it waits for its first migration: in a new process that costs about 20 ms in the
/// middle of a migration otherwise, a third of them while the guest stands still. Nothing is run.
/// </summary>
static class Readiness
{
    static readonly string[] Parts = ["Destination", "Ram", "Protocol", "Transport", "VmState", "Guests"];
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);
    static readonly ManualResetEventSlim Over = new();
    static int _isUnderWay;

    /// <summary>Once a process, in the background; returns at once.</summary>
    public static void Prepare()
    {
        if (Interlocked.Exchange(ref _isUnderWay, 1) != 0) return;
        new Thread(PrepareAll) { IsBackground = true, Name = "migration receiver, getting ready", Priority = ThreadPriority.BelowNormal }.Start();
    }

    /// <summary>Waits for its end, and on a busy machine not for ever.</summary>
    public static void Await()
    {
        if (!Over.Wait(Limit)) Over.Set();
    }

    static void PrepareAll()
    {
        try
        {
            var root = typeof(Migration).Namespace;
            foreach (var type in typeof(Readiness).Assembly.GetTypes())
                if (!type.ContainsGenericParameters && Parts.Any(part => type.Namespace == $"{root}.{part}")) Prepare(type);
        }
#pragma warning disable CA1031 // Getting ready is worth nothing that could end the process.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
        Over.Set();
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
