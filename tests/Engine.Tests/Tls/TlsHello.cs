using System.Buffers.Binary;

namespace PsMigrate.Engine.Tests.Tls;

/// <summary>The greeting of a client, by hand (RFC 5246 §7.4.1.2).</summary>
static class TlsHello
{
    /// <summary>Of one that speaks that version at most, such as 0x0302 for TLS 1.1.</summary>
    public static byte[] Of(ushort version)
    {
        var hello = new byte[49];
        // Record: handshake, version, length.
        (hello[0], hello[1], hello[2]) = (0x16, 3, 1);
        BinaryPrimitives.WriteUInt16BigEndian(hello.AsSpan(3), 45);
        // ClientHello: length, version, 32 random bytes, no session, one suite, no compression, no extensions.
        (hello[5], hello[8]) = (1, 41);
        BinaryPrimitives.WriteUInt16BigEndian(hello.AsSpan(9), version);
        new Random(5).NextBytes(hello.AsSpan(11, 32));
        BinaryPrimitives.WriteUInt16BigEndian(hello.AsSpan(44), 2);
        BinaryPrimitives.WriteUInt16BigEndian(hello.AsSpan(46), 0xC009);
        hello[48] = 0;
        return [.. hello[..48], 1, 0];
    }
}
