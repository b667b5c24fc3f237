using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Peers;

/// <summary>
/// Free memory of a virtual machine may be with its hypervisor: touching it then takes seconds a GiB, and whoever happens to get it
/// first looks slow. So before a cold destination is measured, anyone's, as much as it needs and more is touched and freed: it then
/// pays for the faults of its own kernel, as on hardware, and no more.
/// </summary>
static unsafe class FreeMemory
{
    const long Size = 4L << 30;

    public static void Settle()
    {
        var address = HostMemory.Default.Reserve(Size);
        HostMemory.Default.ExpectDense(address, Size);
        for (var page = address; page < address + Size; page += GuestMemory.PageSize) *page = 1;
        HostMemory.Default.Release(address, Size);
    }
}
