using PsMigrate.Engine.Convergence;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>A channel in virtual time: a compressor and a link of given speeds, bytes/s, that may change on the way.</summary>
public sealed class CompressionTrialsTests
{
    const int Packet = 512 << 10;
    const double GB = 1e9;

    readonly CompressionTrials _trials = new();
    readonly List<(double At, string Reason)> _changes = [];
    double _now;
    int _packets;
    int _compressed;
    double _compressor = 0.5 * GB;
    double _link = 2 * GB;
    double _share = 0.25;
    long _limit;

    [Fact]
    public void A_fast_link_gets_pages_as_they_are_and_is_tried_again_ever_more_rarely()
    {
        Run(seconds: 60);
        Assert.Single(_changes);
        Assert.InRange(_changes[0].At, 0, 0.2);
        Assert.Contains("as they are, at ", _changes[0].Reason, StringComparison.Ordinal);
        // 10 packets a look, at 0.25, 0.75, 1.75 ... 15.75, then every 16 s, and those before the first change.
        Assert.InRange(_compressed, 60, 140);
    }

    [Fact]
    public void A_slow_link_gets_compressed_pages_and_nothing_else()
    {
        _link = 0.05 * GB;
        Run(seconds: 60);
        Assert.Empty(_changes);
        Assert.Equal(_packets, _compressed);
    }

    [Fact]
    public void So_does_one_that_is_held_by_a_limit()
    {
        _limit = 50_000_000;
        Run(seconds: 60);
        Assert.Empty(_changes);
        Assert.Equal(_packets, _compressed);
    }

    [Fact]
    public void A_link_of_the_middle_is_tried_and_left_alone()
    {
        // Faster than compressed pages need it, too slow for whole ones.
        _link = 0.4 * GB;
        Run(seconds: 60);
        Assert.Empty(_changes);
        Assert.InRange(_packets - _compressed, 60, 140);
    }

    [Fact]
    public void What_does_not_compress_is_sent_as_it_is_without_a_try()
    {
        (_link, _share) = (0.01 * GB, 1.001);
        Run(seconds: 1.5);
        Assert.Single(_changes);
        Assert.Equal(CompressionTrials.Window + CompressionTrials.Skipped, _compressed);
    }

    [Fact]
    public void A_link_that_grows_slow_has_pages_compressed_again()
    {
        Run(seconds: 5);
        Assert.False(_trials.Compresses);
        _link = 0.05 * GB;
        Run(seconds: 40);
        Assert.True(_trials.Compresses);
        Assert.Equal(2, _changes.Count);
    }

    [Fact]
    public void Content_that_begins_to_compress_is_found()
    {
        (_link, _share) = (0.1 * GB, 1);
        Run(seconds: 5);
        Assert.False(_trials.Compresses);
        _share = 0.3;
        Run(seconds: 40);
        Assert.True(_trials.Compresses);
    }

    [Fact]
    public void A_link_that_changes_its_mind_all_the_time_is_followed_only_so_often()
    {
        for (var i = 0; i < 3000; i++)
        {
            _link = (i % 2 == 0 ? 2 : 0.05) * GB;
            Run(seconds: 0.02);
        }
        // In a minute: each change puts the next look off, up to 16 s.
        Assert.InRange(_changes.Count, 0, 12);
    }

    void Run(double seconds)
    {
        for (var end = _now + seconds; _now < end;)
        {
            var compresses = _trials.Compresses;
            var sent = compresses ? Packet * _share : Packet;
            var packing = TimeSpan.FromSeconds(compresses ? Packet / _compressor : 0);
            var sending = TimeSpan.FromSeconds(sent / _link);
            // Who is held by a limit waits for packets, not for the link.
            _now += Math.Max((packing + sending).TotalSeconds, _limit > 0 ? sent / _limit : 0);
            _packets++;
            if (compresses) _compressed++;
            if (_trials.Add(TimeSpan.FromSeconds(_now), new PacketCost(Packet, (long)sent, packing, sending), _limit) is { } reason) _changes.Add((_now, reason));
        }
    }
}
