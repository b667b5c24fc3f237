using System.IO.Hashing;
using System.IO.Pipelines;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.VmState;

/// <summary>
/// A digest of what a guest of ours is beside its RAM: who was announced, each vCPU and device, and whether it is to run. Of what an end
/// holds, and not of what it wrote or read: so a fault of loading is found like one of the link. XxHash128, as that of RAM.
/// </summary>
static class StateDigest
{
    /// <summary>Bytes.</summary>
    public const int Size = 16;

    /// <summary>The guest must stand. The devices in the order of their sections.</summary>
    public static byte[] Compute(GuestAnnouncement who, IEnumerable<IDeviceState> devices, bool isToRun)
    {
        using var bytes = new MemoryStream();
        var writer = new WireWriter(PipeWriter.Create(bytes, new StreamPipeWriterOptions(leaveOpen: true)));
        who.Write(writer);
        foreach (var device in devices)
        {
            // The numbers of sections are of a stream, and no part of a guest.
            new SectionHeader(0, device.Description.Name, device.Instance, device.Description.Version).WriteNamed(writer, RecordType.SectionFull);
            DeviceSection.WriteBody(writer, device.Description);
        }
        GlobalState.Write(writer, isToRun);
        writer.Flush();
        return XxHash128.Hash(bytes.GetBuffer().AsSpan(0, (int)bytes.Length));
    }
}
