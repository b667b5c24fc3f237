using System.Net;
using System.Net.Sockets;
using PsMigrate.Engine.Tests.Qemu;
using PsMigrate.Engine.Tests.Qemu.Machines;

namespace PsMigrate.Engine.Tests.Streams;

/// <summary>A postcopy migration between two QEMUs of machine pc, with both directions of its link written to files.</summary>
sealed class PostcopyCapture : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("psmigrate-postcopy-").FullName;

    public PostcopyCapture(string binary)
    {
        const int Megabytes = 64;
        var port = IntoQemuTests.FreePort();
        using var destination = new QemuMachine(binary, Megabytes, "-M", "pc", "-incoming", "defer");
        using var source = new QemuMachine(binary, Megabytes, "-M", "pc");
        var on = new[] { new { capability = "postcopy-ram", state = true } };
        foreach (var end in new[] { destination, source }) end.Execute("migrate-set-capabilities", new { capabilities = on });
        destination.Execute("migrate-incoming", new { uri = $"tcp:127.0.0.1:{port}" });
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        // Slow enough that the first pass is not over before postcopy begins.
        source.Execute("migrate-set-parameters",
            new Dictionary<string, object> { ["max-bandwidth"] = 1 << 20, ["max-postcopy-bandwidth"] = 0 });
        source.Execute("migrate", new { uri = $"tcp:127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}" });
        using var near = listener.AcceptTcpClient();
        using var far = new TcpClient("127.0.0.1", port);
        var there = Task.Run(() => Copy(near, far, Forward));
        var back = Task.Run(() => Copy(far, near, ReturnPath));
        Poll.Until(() => source.MigrationStatus == "active", "the migration is active");
        source.Execute("migrate-start-postcopy");
        Poll.Until(() => source.MigrationStatus is "completed" or "failed", "the migration ends", 60);
        Assert.Equal("completed", source.MigrationStatus);
        Assert.True(Task.WaitAll([there, back], TimeSpan.FromSeconds(30)), "The link stays open.");
        var ram = source.Execute("query-migrate").GetProperty("ram");
        (NormalPages, ZeroPages) = (ram.GetProperty("normal").GetInt64(), ram.GetProperty("duplicate").GetInt64());
        Requests = ram.GetProperty("postcopy-requests").GetInt64();
    }

    public string Forward => Path.Combine(_folder, "forward");

    public string ReturnPath => Path.Combine(_folder, "back");

    public long NormalPages { get; }

    public long ZeroPages { get; }

    public long Requests { get; }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    static void Copy(TcpClient from, TcpClient to, string file)
    {
        using var copy = File.Create(file);
        // Taken at once: a client whose link has broken gives none any more.
        var (input, output) = (from.GetStream(), to.GetStream());
        var buffer = new byte[1 << 16];
        try
        {
            for (int read; (read = input.Read(buffer)) > 0;)
            {
                copy.Write(buffer, 0, read);
                output.Write(buffer, 0, read);
            }
            to.Client.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            // The other end has gone; what was seen is in the file.
        }
    }
}
