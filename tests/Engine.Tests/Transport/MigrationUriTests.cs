using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Transport;

public class MigrationUriTests
{
    [Theory]
    [InlineData("local", "local", true)]
    [InlineData("local:", "local", true)]
    [InlineData("LOCAL:rack2", "local:rack2", true)]
    [InlineData("tcp:127.0.0.1:4444", "tcp:127.0.0.1:4444", true)]
    [InlineData("Tcp:[::1]:0", "tcp:[::1]:0", true)]
    [InlineData("tcp:[0:0::1]:65535", "tcp:[::1]:65535", true)]
    [InlineData("tcp:LocalHost:1", "tcp:LocalHost:1", true)]
    [InlineData("tcp:host.example:4444", "tcp:host.example:4444", false)]
    [InlineData("tcp:0.0.0.0:4444", "tcp:0.0.0.0:4444", false)]
    [InlineData("tcp:[2001:db8::7]:4444", "tcp:[2001:db8::7]:4444", false)]
    [InlineData("unix:/run/a:b.sock", "unix:/run/a:b.sock", true)]
    [InlineData("file:/tmp/state", "file:/tmp/state", false)]
    [InlineData("file:/tmp/state,offset=0", "file:/tmp/state", false)]
    [InlineData("file:/tmp/state,offset=0x1000", "file:/tmp/state,offset=4096", false)]
    [InlineData("file:/tmp/state,offset=2M", "file:/tmp/state,offset=2097152", false)]
    [InlineData("exec:gzip -c > /tmp/x:y", "exec:gzip -c > /tmp/x:y", false)]
    public void Addresses_are_read_and_written_in_one_form(string text, string canonical, bool isLoopback)
    {
        var uri = MigrationUri.Parse(text);
        Assert.Equal(canonical, uri.ToString());
        Assert.Equal(isLoopback, uri.IsLoopback);
        Assert.Equal(uri, MigrationUri.Parse(canonical));
    }

    [Theory]
    [InlineData("")]
    [InlineData("localhost:4444")]
    [InlineData("http://x")]
    [InlineData("tcp:")]
    [InlineData("tcp:host")]
    [InlineData("tcp::4444")]
    [InlineData("tcp:host:")]
    [InlineData("tcp:host:65536")]
    [InlineData("file:,offset=1")]
    [InlineData("file:/tmp/state,offset=")]
    [InlineData("file:/tmp/state,offset=-1")]
    [InlineData("file:/tmp/state,offset=one")]
    [InlineData("file:/tmp/state,offset=9223372036854775807")]
    [InlineData("file:/tmp/state,offset=16777216T")]
    [InlineData("tcp:host:-1")]
    [InlineData("tcp:host: 1")]
    [InlineData("tcp:host:99999999999")]
    [InlineData("tcp:::1:4444")]
    [InlineData("tcp:[::1:4444")]
    [InlineData("tcp:[]:4444")]
    [InlineData("tcp:[127.0.0.1]:4444")]
    [InlineData("tcp:a b:4444")]
    [InlineData("unix:")]
    [InlineData("unix: ")]
    [InlineData("unix:a\0b")]
    [InlineData("file:")]
    [InlineData("exec:")]
    [InlineData("local:a*")]
    [InlineData("local:a\n")]
    public void What_is_no_address_is_refused_with_a_reason(string text)
    {
        var error = Assert.Throws<MigrationException>(() => MigrationUri.Parse(text));
        Assert.Equal(MigrationErrorId.InvalidUri, error.Id);
        Assert.Equal(MigrationSide.User, error.Side);
    }

    [Fact]
    public void Lengths_are_bounded()
    {
        Assert.Equal(107, MigrationUri.Parse("unix:" + new string('a', 107)).Path.Length);
        Assert.Throws<MigrationException>(() => MigrationUri.Parse("unix:" + new string('a', 108)));
        Assert.Throws<MigrationException>(() => MigrationUri.Parse("unix:" + new string('ä', 54)));
        Assert.Equal(64, MigrationUri.Parse("local:" + new string('a', 64)).Name.Length);
        Assert.Throws<MigrationException>(() => MigrationUri.Parse("local:" + new string('a', 65)));
    }

    [Fact]
    public void Only_a_tcp_address_takes_another_port()
    {
        Assert.Equal("tcp:[::1]:7", MigrationUri.Parse("tcp:[::1]:0").WithPort(7).ToString());
        Assert.Throws<InvalidOperationException>(() => MigrationUri.Parse("local").WithPort(7));
        Assert.Throws<ArgumentOutOfRangeException>(() => MigrationUri.Parse("tcp:a:1").WithPort(65536));
    }
}
