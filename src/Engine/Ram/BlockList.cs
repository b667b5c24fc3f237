using System.Buffers.Binary;
using System.Numerics;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>The setup record of RAM: for each block <c>name, u64 length</c>, until the lengths are the total.</summary>
static class BlockList
{
    // More blocks than any machine has.
    const int MaxBlocks = 4096;

    /// <summary>Names, each once, and lengths in bytes. Throws InvalidLength, InvalidValue.</summary>
    /// <param name="reader">Behind the word with the total.</param>
    /// <param name="total">Bytes of all blocks.</param>
    /// <param name="pageSizes">The page sizes of all blocks, ORed; 0 when the source has not advised of postcopy.</param>
    public static (string Name, long Length)[] Read(WireReader reader, long total, ulong pageSizes)
    {
        var blocks = new List<(string Name, long Length)>();
        var names = new HashSet<string>();
        for (var left = total; left > 0;)
        {
            if (blocks.Count == MaxBlocks) throw reader.Error(MigrationErrorId.InvalidLength, $"More than {MaxBlocks} RAM blocks can't be.");
            var name = reader.Name();
            if (name.Length == 0 || !names.Add(name))
                throw reader.Error(MigrationErrorId.InvalidValue, $"RAM block '{Printable.Text(name)}' comes twice, or has no name.");
            var length = reader.UInt64();
            if (length == 0 || length > (ulong)left)
                throw reader.Error(MigrationErrorId.InvalidLength, $"RAM block '{Printable.Text(name)}' has {length} bytes of {left} that are left.");
            blocks.Add((name, (long)length));
            left -= (long)length;
            SkipPageSize(reader, pageSizes);
        }
        return [.. blocks];
    }

    /// <summary>
    /// With postcopy, blocks of huge pages have their page size behind the length; which ones these are, QEMU's destination knows from
    /// its own command line. Here the next word tells: it is one of the advised sizes; a name, with its length in the first byte, never is,
    /// nor is a word with flags.
    /// </summary>
    static void SkipPageSize(WireReader reader, ulong pageSizes)
    {
        if ((pageSizes & ~RamFlags.Mask & ~0x1000UL) == 0) return;
        var word = BinaryPrimitives.ReadUInt64BigEndian(reader.Peek(8));
        if (BitOperations.IsPow2(word) && word > 0x1000 && (word & pageSizes) != 0) reader.Skip(8);
    }
}
