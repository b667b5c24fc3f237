using System.Formats.Asn1;
using System.Globalization;
using System.Numerics;
using System.Security.Cryptography.X509Certificates;

namespace PsMigrate.Engine.Transport;

/// <summary>
/// A list of certificates that an authority has taken back (RFC 5280). It lies beside the authorities that are trusted and is believed as
/// they are: its signature is not looked at.
/// </summary>
sealed class RevocationList
{
    readonly byte[] _issuer;
    readonly HashSet<BigInteger> _serials = [];
    readonly DateTimeOffset? _next;

    /// <summary>Throws AsnContentException.</summary>
    public RevocationList(ReadOnlyMemory<byte> der)
    {
        var list = new AsnReader(der, AsnEncodingRules.DER).ReadSequence().ReadSequence();
        if (list.PeekTag() == Asn1Tag.Integer) list.ReadInteger();
        list.ReadSequence();
        _issuer = list.ReadEncodedValue().ToArray();
        ReadTime(list);
        if (list.HasData && IsTime(list)) _next = ReadTime(list);
        if (!list.HasData || list.PeekTag() != Asn1Tag.Sequence) return;
        for (var entries = list.ReadSequence(); entries.HasData;) _serials.Add(entries.ReadSequence().ReadInteger());
    }

    /// <summary>What speaks against a certificate; null where it is another authority's, or nothing does.</summary>
    public string? Objection(X509Certificate2 certificate, DateTimeOffset now)
    {
        if (!certificate.IssuerName.RawData.AsSpan().SequenceEqual(_issuer)) return null;
        if (_serials.Contains(new BigInteger(certificate.SerialNumberBytes.Span, isUnsigned: false, isBigEndian: true)))
            return "it was revoked";
        return _next < now ? $"the revocation list of its authority is out of date since {_next.Value.ToString("u", CultureInfo.InvariantCulture)}" : null;
    }

    static bool IsTime(AsnReader reader) => reader.PeekTag() == Asn1Tag.UtcTime || reader.PeekTag() == Asn1Tag.GeneralizedTime;

    static DateTimeOffset ReadTime(AsnReader reader) =>
        reader.PeekTag() == Asn1Tag.UtcTime ? reader.ReadUtcTime() : reader.ReadGeneralizedTime();
}
