using System.Buffers.Binary;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>What a flush holds, for taps.</summary>
static class Leaving
{
    /// <summary>At a destination, which sends each message by itself.</summary>
    public static ReturnPathType TypeOf(this ReadOnlySpan<byte> message) =>
        message.Length < 2 ? ReturnPathType.Invalid : (ReturnPathType)BinaryPrimitives.ReadUInt16BigEndian(message);

    /// <summary>At a source, which sends RUN by itself.</summary>
    public static bool IsRun(this ReadOnlySpan<byte> flush) =>
        flush.SequenceEqual((ReadOnlySpan<byte>)[(byte)RecordType.Command, (ushort)CommandType.Run >> 8, (byte)((ushort)CommandType.Run & 0xFF), 0, 0]);
}
