namespace PsMigrate.Engine.Ram;

/// <summary>
/// QEMU's page difference (migration/xbzrle.c): pairs of <c>uleb zero-run, uleb run</c> with the new bytes of the run after it.
/// </summary>
static class Xbzrle
{
    /// <summary>The byte before the length of a difference (ENCODING_FLAG_XBZRLE).</summary>
    public const byte Method = 1;

    /// <summary>
    /// Applies a difference to a page. False, with the page in an undefined state, when the encoding is not valid: an empty run,
    /// a run of no change that is not the first and is empty, or one that leaves page or input.
    /// </summary>
    public static bool TryDecode(ReadOnlySpan<byte> encoded, Span<byte> page)
    {
        var to = 0;
        for (var from = 0; from < encoded.Length;)
        {
            var isFirst = from == 0;
            if (!TryReadLength(encoded, ref from, out var unchanged) || (unchanged == 0 && !isFirst)) return false;
            to += unchanged;
            if (!TryReadLength(encoded, ref from, out var changed) || changed == 0) return false;
            if (changed > encoded.Length - from || changed > page.Length - to) return false;
            encoded.Slice(from, changed).CopyTo(page[to..]);
            from += changed;
            to += changed;
        }
        return true;
    }

    // At most two bytes of seven bits.
    static bool TryReadLength(ReadOnlySpan<byte> encoded, ref int at, out int length)
    {
        length = 0;
        if (at >= encoded.Length) return false;
        length = encoded[at++];
        if (length < 0x80) return true;
        if (at >= encoded.Length || encoded[at] >= 0x80) return false;
        length = (length & 0x7F) | (encoded[at++] << 7);
        return true;
    }
}
