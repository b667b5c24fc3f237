using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Peers;

/// <summary>
/// What the framework makes of TLS by itself: each connection an SslStream on a NetworkStream, blocks of 1 MiB from the guest's memory on one
/// thread, to memory that was touched before on another, both in this process. Who takes part has to prove who he is, as with us.
/// </summary>
sealed unsafe class BareTls : IDisposable
{
    const int Block = 1 << 20;

    readonly TlsFolder _folder;
    readonly RamBlock _from;
    readonly byte* _to;

    public BareTls(TlsFolder folder, RamBlock from)
    {
        (_folder, _from) = (folder, from);
        // Laid out like that of a guest.
        _to = HostMemory.Default.Reserve(from.Length);
        HostMemory.Default.ExpectDense(_to, from.Length);
    }

    /// <summary>Copies once, over so many connections; from the first connect to the last byte that was read.</summary>
    public TimeSpan Copy(int connections)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var share = _from.Length / connections;
        var clock = Stopwatch.StartNew();
        var threads = new List<Thread>();
        for (var i = 0; i < connections; i++)
        {
            var offset = share * i;
            var near = new TcpClient("127.0.0.1", port) { NoDelay = true };
            var far = listener.AcceptTcpClient();
            threads.Add(new Thread(() => Send(near, _from.Address + offset, share)) { IsBackground = true });
            threads.Add(new Thread(() => Receive(far, _to + offset, share)) { IsBackground = true });
        }
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        var time = clock.Elapsed;
        for (long at = 0; at < _from.Length; at += Block)
            if (!new Span<byte>(_from.Address + at, Block).SequenceEqual(new Span<byte>(_to + at, Block))) throw new BenchException("the bare copy differs.");
        return time;
    }

    public void Dispose() => HostMemory.Default.Release(_to, _from.Length);

    void Send(TcpClient socket, byte* from, long length)
    {
        using var _ = socket;
        var own = _folder.Client;
        using var tls = new SslStream(socket.GetStream());
        tls.AuthenticateAsClient(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost", ClientCertificateContext = SslStreamCertificateContext.Create(own.Certificate, null, offline: true),
            CertificateChainPolicy = Policy(own),
        });
        for (long at = 0; at < length; at += Block) tls.Write(new ReadOnlySpan<byte>(from + at, (int)Math.Min(Block, length - at)));
        // A ticket that nobody reads would turn the end into a reset.
        if (tls.ReadByte() >= 0) throw new BenchException("the bare copy is answered.");
    }

    void Receive(TcpClient socket, byte* to, long length)
    {
        using var _ = socket;
        var own = _folder.Server;
        using var tls = new SslStream(socket.GetStream());
        tls.AuthenticateAsServer(new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(own.Certificate, null, offline: true), ClientCertificateRequired = true,
            CertificateChainPolicy = Policy(own),
        });
        for (long at = 0; at < length;)
        {
            var count = tls.Read(new Span<byte>(to + at, (int)Math.Min(Block, length - at)));
            if (count == 0) throw new BenchException("the bare copy ended early.");
            at += count;
        }
    }

    static X509ChainPolicy Policy(TlsOptions own)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        foreach (var authority in own.Trusted) policy.CustomTrustStore.Add(authority);
        return policy;
    }
}
