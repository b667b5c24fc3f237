using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>
/// A link with TLS on a socket. Its figures count what was encrypted, not what that became on the wire: about a thousandth more. The ends
/// have to greet each other first, <see cref="Greet"/> or <see cref="Accept"/>; that thread blocks, and <see cref="Abort"/> ends it.
/// </summary>
[SuppressMessage("Reliability", "CA2213", Justification = "The wire is nothing but its two ends, which are the socket's.")]
sealed class TlsConnection : IConnection
{
    const int FirstBytes = 4;
    const byte HandshakeRecord = 0x16;
    const byte AlertRecord = 0x15;

    readonly SocketConnection _plain;
    readonly TlsCredentials _credentials;
    readonly TlsWire _wire;
    readonly SslStream _tls;
    readonly TlsPipeReader _input;
    readonly TlsPipeWriter _output;
    MigrationException? _rejected;
    string? _host;
    string? _subject;
    bool _hasHeard;
    int _hasEnded;
    volatile bool _isAborted;
    int _isDisposed;

    /// <summary>Takes the connection over.</summary>
    public TlsConnection(SocketConnection plain, TlsCredentials credentials)
    {
        (_plain, _credentials) = (plain, credentials);
        _wire = new TlsWire((BlockPipeReader)plain.Input, (BlockPipeWriter)plain.Output);
        _tls = new SslStream(_wire, leaveInnerStreamOpen: true);
        _input = new(this);
        _output = new(this);
    }

    public PipeReader Input => _input;

    public PipeWriter Output => _output;

    public long BytesSent => _output.BytesSent;

    public long BytesReceived => _input.BytesReceived;

    public LinkWaits Waits => _plain.Waits;

    public string Peer => _plain.Peer;

    public string? PeerSubject => Subject is null ? null : TlsTrust.Plain(((X509Certificate2)_tls.RemoteCertificate!).SubjectName.Name);

    /// <summary>The link below, for a word to one that does not speak TLS.</summary>
    public IConnection Plain => _plain;

    /// <summary>Who is at the other end, as its certificate has it, in a form to compare; null until one who connected has been let in.</summary>
    public string? Subject
    {
        get => Volatile.Read(ref _subject);
        private set => Volatile.Write(ref _subject, value);
    }

    /// <summary>The version that both ends agreed on.</summary>
    public SslProtocols Protocol => _tls.SslProtocol;

    /// <summary>How it is encrypted.</summary>
    public TlsCipherSuite CipherSuite => _tls.NegotiatedCipherSuite;

    /// <summary>Whether encrypted bytes are there.</summary>
    public bool IsReady => _wire.HasBuffered || _plain.IsReadable;

    /// <summary>
    /// The greeting of the end that connects, with the name that the other one must have; null for any. Throws TlsNotSpoken,
    /// CertificateRejected, TlsFailed, ConnectionLost.
    /// </summary>
    public void Greet(string? host)
    {
        _host = host;
        try
        {
            _tls.AuthenticateAsClient(_credentials.ClientOptions(host ?? "", Judge));
            _wire.Push();
            _wire.IsGreeting = false;
        }
        catch (Exception e) when (IsOfTls(e))
        {
            throw _rejected ?? NotSpoken(e) ?? Typed(e);
        }
    }

    /// <summary>
    /// The greeting of the end that was connected to. Throws TlsRequired for one that does not speak TLS, what it said first being
    /// <paramref name="said"/>; CertificateRejected, after which nothing can be read and the other end can still be told why; TlsFailed,
    /// ConnectionLost.
    /// </summary>
    public void Accept(out uint said)
    {
        said = 0;
        try
        {
            var first = _wire.Peek(FirstBytes);
            foreach (var one in first) said = (said << 8) | one;
            if (first.IsEmpty) throw TlsErrors.Failed(Peer, "the other end closed the connection without a word.");
            if (first[0] != HandshakeRecord) throw TlsErrors.Required();
            _tls.AuthenticateAsServer(_credentials.ServerOptions(Judge));
            // What is left in TLS 1.3 is a ticket, which the framework makes however often it is told not to resume sessions. A QEMU that
            // never reads (a channel, or no return path) would close with it unread, and so reset what it had sent last. It leaves with the
            // first word of this end, which is for one that reads.
#pragma warning disable CA5398 // What was agreed on is looked at, not asked for.
            if (_tls.SslProtocol != SslProtocols.Tls13) _wire.Push();
#pragma warning restore CA5398
            _wire.IsGreeting = false;
        }
        catch (Exception e) when (IsOfTls(e))
        {
            throw _rejected ?? Typed(e);
        }
        if (_rejected is not null) throw _rejected;
        Subject = Convert.ToHexString(((X509Certificate2)_tls.RemoteCertificate!).SubjectName.RawData);
    }

    public void Abort()
    {
        _isAborted = true;
        _plain.Abort();
    }

    public bool HasLeft(bool isAnswered) => _plain.HasLeft(isAnswered);

    public void EndInput() => _plain.EndInput();

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0) return;
        if (_tls.IsAuthenticated) EndOutput();
        _plain.Dispose();
        // It closes nothing but itself.
        _tls.Dispose();
    }

    /// <summary>Throws ConnectionLost if the link was cut at this end.</summary>
    public void ThrowIfCut() => ((BlockPipeReader)_plain.Input).ThrowIfCut();

    /// <summary>Waits for bytes; 0 at the end. Throws what reading throws.</summary>
    public int Decrypt(Span<byte> to)
    {
        if (_rejected is not null) throw _rejected;
        int count;
        try
        {
            count = _tls.Read(to);
        }
        catch (Exception e) when (IsOfTls(e))
        {
            throw Typed(e);
        }
        // Since TLS 1.3 the end that connects learns only now that its certificate was not accepted, and many say nothing of it.
        if (count == 0 && !_hasHeard && !_credentials.IsServer)
            throw TlsErrors.Failed(Peer, "it closed the connection before it said anything. It may not accept the certificate of this end.");
        _hasHeard = true;
        return count;
    }

    /// <summary>Throws what writing throws.</summary>
    public void Encrypt(ReadOnlySpan<byte> bytes)
    {
        try
        {
            _tls.Write(bytes);
        }
        catch (Exception e) when (IsOfTls(e))
        {
            throw Typed(e);
        }
    }

    /// <summary>What is small may still be here.</summary>
    public void Flush() => _wire.Push();

    /// <inheritdoc cref="BlockPipeReader.WaitAsleep"/>
    public void WaitAsleep() => ((BlockPipeReader)_plain.Input).WaitAsleep();

    /// <inheritdoc cref="BlockPipeWriter.LimitUnsent"/>
    public void LimitUnsent(int bytes) => ((BlockPipeWriter)_plain.Output).LimitUnsent(bytes);

    /// <summary>Says that no more will come (close_notify): without it the other end could not tell the end from a cut.</summary>
    public void EndOutput()
    {
        // Where nobody takes anything, there is nobody to be polite to.
        if (Interlocked.Exchange(ref _hasEnded, 1) != 0 || _isAborted || !_plain.IsWritable) return;
        try
        {
            _tls.ShutdownAsync().GetAwaiter().GetResult();
            _wire.Push();
            _plain.Output.Complete();
        }
        catch (Exception e) when (IsOfTls(e))
        {
            // The link is gone already.
        }
    }

    bool Judge(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        _rejected = _credentials.Trust.Judge(certificate as X509Certificate2, chain, errors, _host);
        // The framework ends a greeting without a word. One that has connected is let through to be told why, and no further.
        return _rejected is null || _credentials.IsServer;
    }

    MigrationException Typed(Exception e) => TlsErrors.From(e, Peer, _credentials.IsServer);

    /// <summary>Of one that closes at the first word, or answers with something else; null where it does speak TLS, or the link broke.</summary>
    MigrationException? NotSpoken(Exception e)
    {
        if (_isAborted) return null;
        return _wire.FirstByte switch
        {
            HandshakeRecord or AlertRecord => null,
            null => TlsErrors.NotSpoken(Peer, "it closed the connection at the first word.", e),
            _ => TlsErrors.NotSpoken(Peer, "what it answers is something else.", e),
        };
    }

    // The framework lets errors of the system's library out that have no public type.
    static bool IsOfTls(Exception e) => e is not OutOfMemoryException;
}
