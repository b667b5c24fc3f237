using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Guests;

/// <summary>How fast its vCPUs dirty memory: every page that is written counts once.</summary>
public sealed partial class MemoryGuest
{
    /// <inheritdoc/>
    public override DirtyRateMeasurement MeasureDirtyRate(DirtyRateOptions options)
    {
        options.Validate();
        if (Machine is not null)
            throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
                $"Guest {Name} was captured from a QEMU and does not run here: it dirties nothing.");
        if (options.Mode is DirtyRateMode.PageSampling or DirtyRateMode.DirtyRing || options.SamplePages is not null)
            throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
                $"Guest {Name} is in memory: its dirty rate is counted by its log ({DirtyRateMode.DirtyBitmap}), and nothing is sampled.");
        return new LogMeasurement(this, options.Duration);
    }

    /// <summary>The log has one reader: while it is read here, no migration has the guest.</summary>
    sealed class LogMeasurement : DirtyRateMeasurement
    {
        readonly MemoryGuest _guest;
        bool _isOver;

        public LogMeasurement(MemoryGuest guest, TimeSpan duration)
            : base(guest, duration)
        {
            _guest = guest;
            guest.Claim(this, Guid.Empty, keepsSource: true);
            guest.StartLog(Clock.Restart);
        }

        private protected override GuestDirtyRate? Collect(TimeSpan wait)
        {
            var (pages, time) = End();
            return new()
            {
                Name = _guest.Name, Host = _guest.Host, Mode = DirtyRateMode.DirtyBitmap, Duration = time,
                DirtyRate = pages * GuestMemory.PageSize / time.TotalSeconds,
            };
        }

        private protected override void Abandon() => End();

        (long Pages, TimeSpan Time) End()
        {
            if (_isOver) return default;
            _isOver = true;
            try
            {
                var logs = _guest.Memory.Blocks.Select(block => block.Log).ToArray();
                var time = _guest.AtTickBoundary(() =>
                {
                    _guest.Memory.StopLog();
                    return Clock.Elapsed;
                });
                return (logs.Sum(log => log?.Count ?? 0), time);
            }
            finally
            {
                _guest.Unclaim(this);
            }
        }
    }
}
