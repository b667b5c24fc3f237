using System.Globalization;

namespace PsMigrate.Engine.Model;

/// <summary>How the channels compress (QEMU's MultiFDCompression).</summary>
public enum MigrationCompression
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>One zlib stream per channel.</summary>
    Zlib,

    /// <summary>One zstd stream per channel.</summary>
    Zstd,
}

/// <summary>By what means a guest of ours is sent.</summary>
public enum MigrationMeans
{
    /// <summary>What serves best, as the migration goes: each choice is recorded as a decision. Only means that the peer understands.</summary>
    Adaptive,

    /// <summary>What the parameters ask for and nothing else, as QEMU does.</summary>
    Qemu,
}

/// <summary>What is done when the time allowed is over.</summary>
public enum TimeoutAction
{
    /// <summary>The migration fails with Timeout, and the guest stays.</summary>
    Cancel,

    /// <summary>The guest goes over before its memory. Allows postcopy.</summary>
    Postcopy,

    /// <summary>The guest is stopped and switched over, however long that takes: the one thing that may go beyond MaxDowntime.</summary>
    SwitchOver,
}

/// <summary>What the user asks of one migration. Names follow QEMU's parameters; sizes are bytes, rates bytes per second.</summary>
public sealed record MigrationParameters
{
    /// <summary>QEMU's <c>downtime-limit</c>: how long the guest may stand still. 1 ms to 2000 s, 300 ms by default.</summary>
    public TimeSpan MaxDowntime { get; init; } = TimeSpan.FromMilliseconds(300);

    /// <summary>QEMU's <c>max-bandwidth</c>, bytes/s; 0 (the default) is unlimited.</summary>
    public long MaxBandwidth { get; init; }

    /// <summary>QEMU's <c>avail-switchover-bandwidth</c>, bytes/s; 0 takes the measured bandwidth.</summary>
    public long SwitchoverBandwidth { get; init; }

    /// <summary>What <see cref="OnTimeout"/> says is done when it has not switched over by then; null waits for ever.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>What is done when <see cref="Timeout"/> is over.</summary>
    public TimeoutAction OnTimeout { get; init; }

    /// <summary>Whether OnTimeout was Postcopy before: then Adaptive goes over at no other time by itself.</summary>
    internal bool HasSaidWhenToGoOver { get; init; }

    /// <summary>
    /// How the migration is helped to its end; null is by Adaptive, and by QEMU itself where the guest is one of a QEMU. Of a QEMU's guest AutoConverge
    /// and DirtyLimit are QEMU's own; other rules are looked at here, and done over QMP. Adaptive does not slow such a guest down.
    /// </summary>
    public MigrationPolicy? Policy { get; init; }

    /// <summary>What the policy, or whoever is asked about passes, decides is recorded and not done.</summary>
    public bool ObserveOnly { get; init; }

    /// <summary>Keep what each pass was like, for a trace (<see cref="MigrationTrace.Of"/>).</summary>
    public bool RecordTrace { get; init; }

    /// <summary>
    /// How long whoever is asked about each pass has for an answer, from its end; null (the default) asks nobody. The migration never waits for it.
    /// </summary>
    public TimeSpan? OnIterationTimeout { get; init; }

    /// <summary>Hold the guest until the digests of both ends agree.</summary>
    public bool Verify { get; init; }

    /// <summary>Keep the source guest, suspended, after success.</summary>
    public bool KeepSource { get; init; }

    /// <summary>QEMU's <c>pause-before-switchover</c>: stop the guest, then wait for leave to go on.</summary>
    public bool PauseBeforeSwitchover { get; init; }

    /// <summary>QEMU's <c>multifd-channels</c>, 1 to 255, with capability multifd; 0 (the default) is the main channel alone.</summary>
    public int Channels { get; init; }

    /// <summary>
    /// What is at the destination, which a stream tells only after the channels are connected; a guest that this process sends through
    /// channels has to know before. Known without a word for <c>local:</c> and for receivers of this process, and from DestinationQmp.
    /// </summary>
    public PeerKind Peer { get; init; }

    /// <summary>The release of the QEMU at the destination, 7.2 or later, which no stream tells: with channels to a QEMU it must be known.</summary>
    public Version? PeerVersion { get; init; }

    /// <summary>By what means guests of ours are sent; a QEMU sends its own by its own.</summary>
    public MigrationMeans Means { get; init; }

    /// <summary>QEMU's <c>multifd-compression</c>.</summary>
    public MigrationCompression Compression { get; init; }

    /// <summary>
    /// QEMU's <c>multifd-zlib-level</c> (0 to 9) or <c>multifd-zstd-level</c> (0 to 20); null takes QEMU's, 1. Zstd's fast levels, -100 to -1,
    /// are for guests that this process sends; a QEMU takes none.
    /// </summary>
    public int? CompressionLevel { get; init; }

    /// <summary>QEMU's capability <c>xbzrle</c>: send differences of pages that were sent before.</summary>
    public bool Xbzrle { get; init; }

    /// <summary>QEMU's <c>xbzrle-cache-size</c> where none is given, bytes.</summary>
    public const long DefaultXbzrleCacheSize = 64 << 20;

    /// <summary>QEMU's <c>xbzrle-cache-size</c>, bytes, a power of two of at least a page; 0 takes QEMU's, 64 MiB.</summary>
    public long XbzrleCacheSize { get; init; }

    /// <summary>QEMU's capability <c>auto-converge</c>: slow the vCPUs down when memory is written faster than it is sent.</summary>
    public bool AutoConverge { get; init; }

    /// <summary>
    /// QEMU's <c>max-cpu-throttle</c>, percent, up to 99; null takes QEMU's, 99. Nothing slows the guest down further; 0 is not at all. Adaptive
    /// slows it down only where this or AutoConverge was given.
    /// </summary>
    public int? MaxThrottle { get; init; }

    /// <summary>QEMU's <c>cpu-throttle-initial</c>, 1 to 99 percent: the first step of auto-converge; null takes QEMU's, 20.</summary>
    public int? ThrottleInitial { get; init; }

    /// <summary>QEMU's <c>cpu-throttle-increment</c>, 1 to 99 percent: each further one; null takes QEMU's, 10.</summary>
    public int? ThrottleIncrement { get; init; }

    /// <summary>QEMU's <c>cpu-throttle-tailslow</c>: steps are no larger than is needed.</summary>
    public bool ThrottleTailslow { get; init; }

    /// <summary>
    /// QEMU's <c>throttle-trigger-threshold</c>, 1 to 100 percent: auto-converge and dirty-limit act when more than this share of what was sent
    /// was dirtied meanwhile; null takes QEMU's, 50.
    /// </summary>
    public int? ThrottleTrigger { get; init; }

    /// <summary>QEMU's <c>vcpu-dirty-limit</c>, bytes/s, 1 MiB/s or more: what each vCPU may write under dirty-limit.</summary>
    public long VcpuDirtyLimit { get; init; } = 1 << 20;

    /// <summary>When the guest goes over. All but Precopy need Postcopy.</summary>
    public MigrationMode Mode { get; init; }

    /// <summary>With Hybrid: the guest goes over after so many passes, 1 or more, unless precopy ended before.</summary>
    public int PostcopyAfter { get; init; } = 1;

    /// <summary>
    /// QEMU's capability <c>postcopy-ram</c>: allow to go over to postcopy. A receiver of ours can always be gone over to; a QEMU has to have
    /// the capability on before anything is sent.
    /// </summary>
    public bool Postcopy { get; init; }

    /// <summary>QEMU's capability <c>postcopy-preempt</c>: requested pages on a channel of their own. Needs Postcopy.</summary>
    public bool PostcopyPreempt { get; init; }

    /// <summary>QEMU's <c>max-postcopy-bandwidth</c>, bytes/s; 0 (the default) is unlimited.</summary>
    public long MaxPostcopyBandwidth { get; init; }

    /// <summary>
    /// QEMU's capability <c>return-path</c>; on by default, since a source without it calls a migration completed that failed at the
    /// destination.
    /// </summary>
    public bool ReturnPath { get; init; } = true;

    /// <summary>QEMU's capability <c>validate-uuid</c>: the destination takes only the guest of its own uuid.</summary>
    public bool ValidateUuid { get; init; }

    /// <summary>Address of the QMP of the QEMU at the destination, to prepare it and to have its true result; null leaves it alone.</summary>
    public string? DestinationQmp { get; init; }

    /// <summary>How a guest of ours is written to <c>file:</c> and <c>exec:</c>.</summary>
    public GuestFileFormat Format { get; init; }

    /// <summary>What a forecast promised, for the result to show beside what came; null where there was none.</summary>
    public MigrationPromise? Promise { get; init; }

    /// <summary>With whom and as whom this end speaks TLS, over tcp: and unix: and for guests of this process; null is plain.</summary>
    public TlsOptions? Tls { get; init; }

    /// <summary>By which credentials the QEMUs of a driven guest speak TLS; null leaves them as they are set.</summary>
    public QemuTlsOptions? QemuTls { get; init; }

    /// <summary>How long to wait for a connection.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the destination may take for an answer (pong, acceptance, READY, RUNNING).</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// How often a migration that failed for a reason that can pass, with the guest at the source, starts over by itself, and how often one
    /// that is paused in postcopy goes on by itself; 0 (the default) is never.
    /// </summary>
    public int Retries { get; init; }

    /// <summary>How long it waits before each of these.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long to try to meet the destination again when the link was lost after RUN; 0 asks once.</summary>
    public TimeSpan SettleTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Throws <see cref="MigrationErrorId.InvalidParameter"/> for a value outside its range.</summary>
    public MigrationParameters Validate()
    {
        CheckDowntime(MaxDowntime);
        CheckBandwidth(MaxBandwidth, nameof(MaxBandwidth));
        CheckBandwidth(SwitchoverBandwidth, nameof(SwitchoverBandwidth));
        if (Timeout <= TimeSpan.Zero) throw MigrationException.Invalid($"Timeout must be longer than 0, and is {Timeout}.");
        CheckQemu();
        CheckPolicy();
        Tls?.Validate();
        QemuTls?.Validate(DestinationQmp is not null);
        CheckPositive(ConnectTimeout, nameof(ConnectTimeout));
        CheckPositive(AnswerTimeout, nameof(AnswerTimeout));
        CheckRange(Retries, 0, MostRetries, nameof(Retries));
        if (RetryDelay < TimeSpan.Zero || RetryDelay > LongestWait)
            throw MigrationException.Invalid($"RetryDelay must be 0 to {LongestWait.TotalDays} days, and is {RetryDelay}.");
        if (SettleTimeout < TimeSpan.Zero || SettleTimeout > LongestWait)
            throw MigrationException.Invalid($"SettleTimeout must be 0 (ask once) to {LongestWait.TotalDays} days, and is {SettleTimeout}.");
        return this;
    }

    /// <summary>Each leaves a record.</summary>
    public const int MostRetries = 1000;

    // Zstd would go on to -131072; beyond this most of what compresses goes as it is.
    const int FastestZstd = -100;

    void CheckQemu()
    {
        CheckBandwidth(MaxPostcopyBandwidth, nameof(MaxPostcopyBandwidth));
        CheckRange(Channels, 0, 255, nameof(Channels));
        CheckThrottle();
        var (least, most) = Compression == MigrationCompression.Zstd ? (FastestZstd, 20) : (0, 9);
        CheckRange(CompressionLevel ?? 0, least, most, nameof(CompressionLevel));
        if (XbzrleCacheSize != 0 && (XbzrleCacheSize < 4096 || !long.IsPow2(XbzrleCacheSize)))
            throw MigrationException.Invalid($"XbzrleCacheSize must be a power of two of at least 4096 bytes, and is {XbzrleCacheSize}.");
        if (Compression != MigrationCompression.None && Channels == 0)
            throw MigrationException.Invalid("Compression works on channels: give -Channels too.");
        if (Xbzrle && Channels > 0) throw MigrationException.Invalid("Xbzrle and Channels exclude each other, as in QEMU.");
        if (PeerVersion is not null && PeerVersion < OldestPeer) throw MigrationException.Invalid($"PeerVersion must be {OldestPeer} or later, and is {PeerVersion}.");
        if (PeerVersion is not null && Peer == PeerKind.PsMigrate) throw MigrationException.Invalid("PeerVersion is of a QEMU, and Peer says that there is none.");
        CheckRange(PostcopyAfter, 1, int.MaxValue, nameof(PostcopyAfter));
        if (Mode != MigrationMode.Precopy && !Postcopy) throw MigrationException.Invalid($"Mode {Mode} needs Postcopy.");
        if (Postcopy && Verify)
            throw MigrationException.Invalid("Postcopy and Verify exclude each other: a guest that runs on can't be compared with what it was.");
        if (PostcopyPreempt && !Postcopy) throw MigrationException.Invalid("PostcopyPreempt needs Postcopy.");
    }

    void CheckThrottle()
    {
        CheckRange(MaxThrottle ?? 99, 0, 99, nameof(MaxThrottle));
        CheckRange(ThrottleInitial ?? 20, 1, 99, nameof(ThrottleInitial));
        CheckRange(ThrottleIncrement ?? 10, 1, 99, nameof(ThrottleIncrement));
        CheckRange(ThrottleTrigger ?? 50, 1, 100, nameof(ThrottleTrigger));
        if (ThrottleInitial > Math.Max(1, MaxThrottle ?? 99)) throw MigrationException.Invalid($"ThrottleInitial is {ThrottleInitial}, above MaxThrottle, {MaxThrottle}.");
        if (VcpuDirtyLimit < 1 << 20) throw MigrationException.Invalid($"VcpuDirtyLimit must be 1 MiB/s or more, and is {VcpuDirtyLimit} bytes/s.");
    }

    void CheckPolicy()
    {
        if (!Enum.IsDefined(OnTimeout)) throw MigrationException.Invalid($"OnTimeout is Cancel, Postcopy or SwitchOver, and not {OnTimeout}.");
        if (OnTimeout != TimeoutAction.Cancel && Timeout is null) throw MigrationException.Invalid("OnTimeout needs Timeout: when.");
        if (OnTimeout == TimeoutAction.Postcopy && !Postcopy) throw MigrationException.Invalid("OnTimeout Postcopy needs Postcopy.");
        if (ObserveOnly && OwnPolicy is null && OnIterationTimeout is null)
            throw MigrationException.Invalid("ObserveOnly needs a Policy that decides something, or OnIteration.");
        if (OnIterationTimeout is { } answer) CheckPositive(answer, nameof(OnIterationTimeout));
        EffectivePolicy?.Validate();
    }

    /// <summary>That of a guest of this process: Adaptive where nothing was said; null where it would decide nothing.</summary>
    internal MigrationPolicy? OwnPolicy => Policy is null && !AutoConverge ? BuiltInPolicies.Adaptive : EffectivePolicy;

    /// <summary>
    /// The policy with what AutoConverge adds to it; null where it would decide nothing. To one that is adaptive it only is leave to slow the
    /// guest down.
    /// </summary>
    internal MigrationPolicy? EffectivePolicy
    {
        get
        {
            var policy = Policy ?? BuiltInPolicies.Qemu;
            if (AutoConverge && !policy.Has(PolicyActionKind.AutoConverge) && !policy.Has(PolicyActionKind.Adaptive))
                policy = Policy is null ? BuiltInPolicies.AutoConverge : policy with { Rules = [.. policy.Rules, .. BuiltInPolicies.AutoConverge.Rules] };
            return policy is { Rules.Length: 0, StartDowntime: 1 } ? null : policy;
        }
    }

    static readonly Version OldestPeer = new(7, 2);

    /// <summary>The same with what is at the destination: <c>PsMigrate</c>, or the release of a QEMU, such as 10.0. Throws InvalidParameter.</summary>
    public MigrationParameters WithPeer(string peer)
    {
        if (peer.Equals(nameof(PeerKind.PsMigrate), StringComparison.OrdinalIgnoreCase)) return this with { Peer = PeerKind.PsMigrate };
        // One number is a release too.
        if (!Version.TryParse(int.TryParse(peer, CultureInfo.InvariantCulture, out _) ? $"{peer}.0" : peer, out var release))
            throw MigrationException.Invalid($"PeerVersion is PsMigrate or the release of a QEMU, such as 10.0, and not '{peer}'.");
        return this with { Peer = PeerKind.Qemu, PeerVersion = release };
    }

    static void CheckRange(int value, int least, int most, string name)
    {
        if (value < least || value > most) throw MigrationException.Invalid($"{name} must be {least} to {most}, and is {value}.");
    }

    internal static void CheckDowntime(TimeSpan value)
    {
        if (value < TimeSpan.FromMilliseconds(1) || value > TimeSpan.FromSeconds(2000))
            throw MigrationException.Invalid($"MaxDowntime must be 1 ms to 2000 s, and is {value.TotalMilliseconds} ms.");
    }

    internal static void CheckBandwidth(long value, string name)
    {
        if (value < 0)
            throw MigrationException.Invalid($"{name} must be 0 (no limit) or bytes per second, and is {value}.");
    }

    /// <summary>What the system's timers can hold.</summary>
    internal static readonly TimeSpan LongestWait = TimeSpan.FromDays(24);

    /// <summary>A wait that the system's timers can hold; whoever waits longer looks again.</summary>
    internal static TimeSpan Bounded(TimeSpan wait) => wait < LongestWait ? wait : LongestWait;

    internal static void CheckPositive(TimeSpan value, string name)
    {
        if (value <= TimeSpan.Zero || value > LongestWait)
            throw MigrationException.Invalid($"{name} must be longer than 0 and at most {LongestWait.TotalDays} days, and is {value}.");
    }
}
