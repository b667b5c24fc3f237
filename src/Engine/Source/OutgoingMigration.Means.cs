using System.Diagnostics;
using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Source;

/// <summary>By what means pages go: chosen once a pass, and each choice recorded (docs/means.md).</summary>
sealed partial class OutgoingMigration
{
    const string Differences = "Differences";

    // Fewer pages say nothing of how fast they go, and wait for nobody.
    const long FewestConfirmed = 64;

    // Passes at whose end the destination is waited for although less and less is not left: of a link with a long way there and back it never is.
    const int MostVainWaits = 3;

    // Passes after which differences that found nothing find nothing.
    const int MostFilling = 3;
    const double Shrinking = 0.9;

    PassPages _meansBegin;
    double _pageBandwidth;
    double _bestBandwidth;
    long _askedCacheSize;
    int _meansPasses;
    int _failures;
    int _memoryFailures;
    int _vainWaits;
    long _leftBefore = long.MaxValue;
    bool _haveMeansShown;
    bool _hasBegunEarly;
    KeptPages _kept;

    /// <summary>Only to a receiver of ours, and where pages go through the main stream.</summary>
    bool IsAdaptive => _parameters.Means == MigrationMeans.Adaptive && _parameters.Channels == 0;

    /// <summary>Whether differences may be begun and given up here. To a QEMU it stays with what was asked for: with the asked-for ones.</summary>
    bool ChoosesDifferences => IsAdaptive && (_parameters.Xbzrle || HandsOverByRun);

    /// <summary>Whether differences may begin within the first pass: those that were asked for to whomever they go.</summary>
    bool MayBeginEarly => ChoosesDifferences || _parameters is { Xbzrle: true, Channels: 0 };

    /// <summary>
    /// Whether differences were begun and none could be found yet: what they bring is not known before a pass or two, and they cost the guest
    /// nothing.
    /// </summary>
    bool AwaitsMeans => ChoosesDifferences && _ram.UsesDifferences && !_haveMeansShown && _meansPasses < MostFilling;

    bool IsTrial => _kept.IsTrial && _ram.UsesDifferences;

    /// <summary>Of what is left, bytes that have never gone, and so do not go as differences.</summary>
    long NeverSent => IsTrial ? (long)Math.Min(_kept.NeverSent(SentPages * GuestMemory.PageSize), _ram.PendingEstimate) : 0;

    /// <summary>
    /// How fast the pages of the pass that has ended went, bytes/s, where most went as a few bytes; where that is not known yet of pages that were kept, how fast
    /// differences are likely to go; else 0.
    /// </summary>
    double PageSpeed => _passSpeed > 0 || !IsTrial ? _passSpeed : SenderModel.Ours.SmallPages;

    /// <param name="unsent">What of the pass that ends had not gone before the look at the log, bytes.</param>
    void EndPassOfKept(long unsent)
    {
        if (_pass > 1) _kept.EndPass(_passPages * GuestMemory.PageSize);
        else if (_hasBegunEarly) _kept.Begin(unsent, SentPages * GuestMemory.PageSize);
    }

    /// <summary>3: pages that are mostly zero go as a few bytes, to a receiver that knows how.</summary>
    void ChooseSparse()
    {
        if (!_ram.SendsRuns || !IsAdaptive) return;
        _ram.SendsSparse = true;
        Decide("Sparse pages", "off", "on", "The receiver knows them: of a page that is mostly zero go the bytes that are not.");
    }

    /// <summary>
    /// What the link carries, bytes/s: of pages, where those of the last pass went as a few bytes, for then bytes say nothing of how long
    /// those that are left will take.
    /// </summary>
    double Carried => Math.Max(_window.Bandwidth, _pageBandwidth);

    /// <summary>
    /// A pass is about to end. Where pages went as a few bytes, so many of them fit the link's buffers that a stopped guest would wait long
    /// for the destination to load them: it does so now. How fast it had them is measured from the second pass on, of pages that the guest
    /// writes again and again, as those will be that are left.
    /// </summary>
    void ConfirmSmallPages()
    {
        if (!IsAdaptive || !HandsOverByRun) return;
        var pages = Since(_meansBegin, PagesSoFar());
        if (pages.Small < FewestConfirmed)
        {
            if (pages.Whole >= FewestConfirmed) SetPageBandwidth(0);
            return;
        }
        if (_vainWaits < MostVainWaits) AwaitLoaded();
        // A pass that took no time at all says as little as a short window.
        var took = Math.Max(Since(_passStart).TotalSeconds, 0.001);
        if (_pass > 1) SetPageBandwidth((pages.Whole + pages.Small) * GuestMemory.PageSize / took);
    }

    /// <summary>
    /// What was left after a pass whose end was waited for. Where that does not shrink, it is the wait itself in which the guest writes so
    /// much: then passes end without it, and what is in the link's buffers is loaded while the guest stands.
    /// </summary>
    void JudgeWait(long left)
    {
        if (left >= _leftBefore * Shrinking && _pageBandwidth > 0 && ++_vainWaits == MostVainWaits)
            Decide("Wait for the destination", "at the end of each pass", "no more", $"The guest writes {left} bytes of pages meanwhile, and they do not get less.");
        _leftBefore = left;
    }

    void SetPageBandwidth(double value)
    {
        lock (_lock) _pageBandwidth = value;
    }

    /// <summary>A pass is over, and what has to go again is known.</summary>
    void ChooseAfterPass()
    {
        _bestBandwidth = Math.Max(_bestBandwidth, _window.Bandwidth);
        // Those that were asked for begin with the second pass at the latest.
        _meansPasses = _pass == 1 ? 0 : _meansPasses + 1;
        // In the first pass none can be found.
        _haveMeansShown |= _pass > 1 && Since(_meansBegin, PagesSoFar()).Looked >= FewestConfirmed;
        if (ChoosesDifferences) Choose(_ram.PendingEstimate, left: 0, isOver: true);
        _meansBegin = PagesSoFar();
    }

    /// <summary>
    /// Within the first pass, once a window: where a limit binds, keeping what goes costs no time, and the second pass can be one of
    /// differences already.
    /// </summary>
    void ChooseInFirstPass()
    {
        if (_pass != 1 || !MayBeginEarly || _ram.UsesDifferences || !BottleneckRule.IsCapped(_window.Bandwidth, BandwidthLimit)) return;
        // The look goes through all of the bitmap.
        if (_parameters.Xbzrle && Since(_meansBegin, PagesSoFar()) is var sent && (sent.Whole + sent.Small) * GuestMemory.PageSize > XbzrleCacheSize) return;
        var (again, left) = _ram.Peek();
        Choose(again, left, isOver: false);
        _hasBegunEarly = _ram.UsesDifferences;
    }

    void Choose(long dirty, long left, bool isOver)
    {
        var parameters = Parameters;
        var input = new MeansInput(
            _pass, isOver, Since(_meansBegin, PagesSoFar()), _window.Bandwidth, _bestBandwidth, BandwidthLimit, _dirtyRate ?? 0, dirty,
            left, Threshold(), _guest.MemorySize, XbzrleCacheSize, parameters.Xbzrle, _ram.UsesDifferences, _meansPasses, _failures);
        if (MeansRule.Choose(input) is not { } choice) return;
        if (choice.UseDifferences) BeginDifferences(choice);
        else EndDifferences(choice.Reason);
    }

    void BeginDifferences(MeansChoice choice)
    {
        try
        {
            _ram.UseDifferences(choice.CacheSize);
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.MemoryExceeded)
        {
            // It goes without them as well as before; said once.
            if (_memoryFailures++ == 0) Decide(Differences, "off", "off", $"There is no memory to keep pages in: {error.Message}");
            return;
        }
        (_meansPasses, _haveMeansShown) = (0, false);
        Decide(Differences, "off", "on", choice.Reason);
    }

    void EndDifferences(string reason)
    {
        _ram.RestDifferences();
        _failures++;
        _meansPasses = 0;
        Decide(Differences, "on", "off", reason);
    }

    /// <summary>
    /// xbzrle-cache-size was set since the last look. The cache is this thread's; where there is none yet, the next one has the size.
    /// </summary>
    void ApplyCacheSize()
    {
        var size = XbzrleCacheSize;
        if (size == _askedCacheSize || _ram.Xbzrle is not { } before) return;
        _askedCacheSize = size;
        // Left to the rule, whose cache may stay as it is.
        if (size == 0) return;
        try
        {
            _ram.ResizeCache(size);
            TellCutCache(size);
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.MemoryExceeded)
        {
            Decide("XbzrleCacheSize", $"{before.CacheSize} bytes", $"{before.CacheSize} bytes", $"There is no memory for {size} bytes: {error.Message}");
        }
    }

    /// <summary>What is asked for, bytes; 0 where that is left to the rule.</summary>
    long XbzrleCacheSize => Parameters switch
    {
        { XbzrleCacheSize: > 0 } asked => asked.XbzrleCacheSize,
        { Xbzrle: true } => MigrationParameters.DefaultXbzrleCacheSize,
        _ => 0,
    };

    void TellCutCache(long asked)
    {
        if (_ram.Xbzrle is { } xbzrle && xbzrle.CacheSize < asked)
            Decide("XbzrleCacheSize", $"{asked} bytes", $"{xbzrle.CacheSize} bytes",
                $"Guest {_guest.Name} has {_guest.MemorySize} bytes; the rest would stay empty.");
    }

    PassPages PagesSoFar()
    {
        var xbzrle = _ram.Xbzrle;
        var found = xbzrle?.Pages ?? 0;
        return new PassPages(
            _ram.NormalPages, _ram.SparsePages + found - (xbzrle?.Overflow ?? 0), found + (xbzrle?.CacheMiss ?? 0) - _ram.FilledPages, found, xbzrle?.Bytes ?? 0,
            _ram.DifferenceTime);
    }

    static PassPages Since(PassPages begin, PassPages end) => new(
        end.Whole - begin.Whole, end.Small - begin.Small, end.Looked - begin.Looked, end.Found - begin.Found,
        end.FoundBytes - begin.FoundBytes, end.Spent - begin.Spent);
}
