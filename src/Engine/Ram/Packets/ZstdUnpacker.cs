namespace PsMigrate.Engine.Ram;

/// <summary>Zstd frames, of which one runs on through many packets. What the reader holds is unpacked from where it lies.</summary>
sealed unsafe class ZstdUnpacker(PacketStream packet, int windowBits) : IPacketUnpacker
{
    readonly ZstdLibrary _zstd = ZstdLibrary.Instance;
    void* _context = ZstdLibrary.Instance.CreateDecompressor(windowBits);

    public int Unpack(Span<byte> destination)
    {
        fixed (byte* to = destination)
        {
            var output = new ZstdLibrary.Buffer { Data = to, Size = (nuint)destination.Length };
            while (output.Position < output.Size && TryStep(ref output))
            {
            }
            return (int)output.Position;
        }
    }

    public void Dispose()
    {
        if (_context is not null) _zstd.FreeDecompressor(_context);
        _context = null;
    }

    // Also without input: the context holds what an earlier call had no room for. False when nothing moves any more.
    bool TryStep(ref ZstdLibrary.Buffer output)
    {
        var seen = packet.Seen;
        fixed (byte* from = seen)
        {
            var input = new ZstdLibrary.Buffer { Data = from, Size = (nuint)seen.Length };
            var before = output.Position;
            _zstd.Decompress(_context, ref output, ref input);
            packet.Take((int)input.Position);
            return input.Position > 0 || output.Position > before;
        }
    }
}
