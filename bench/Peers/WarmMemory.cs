using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Peers;

/// <summary>
/// Guest memory that is kept and zeroed instead of given back, so that the next guest of that size finds every page mapped: what
/// QEMU calls <c>-mem-prealloc</c>.
/// </summary>
sealed unsafe class WarmMemory(IHostMemory inner) : IHostMemory, IDisposable
{
    readonly Lock _lock = new();
    readonly Dictionary<long, Stack<nint>> _kept = [];

    /// <summary>Where it comes from.</summary>
    public IHostMemory Inner => inner;

    public byte* Reserve(long length)
    {
        lock (_lock)
            if (_kept.TryGetValue(length, out var kept) && kept.TryPop(out var address)) return (byte*)address;
        return inner.Reserve(length);
    }

    public void ExpectDense(byte* address, long length) => inner.ExpectDense(address, length);

    public void Release(byte* address, long length)
    {
        System.Runtime.InteropServices.NativeMemory.Clear(address, (nuint)length);
        lock (_lock)
        {
            if (!_kept.TryGetValue(length, out var kept)) _kept[length] = kept = new Stack<nint>();
            kept.Push((nint)address);
        }
    }

    /// <summary>Gives back what it keeps.</summary>
    public void Dispose()
    {
        foreach (var (length, kept) in _kept)
            while (kept.TryPop(out var address)) inner.Release((byte*)address, length);
    }
}
