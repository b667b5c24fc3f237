using System.Numerics;
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
            guest.AtTickBoundary(() =>
            {
                guest.Memory.StartLog();
                Clock.Restart();
                return true;
            });
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
                return _guest.AtTickBoundary(() =>
                {
                    var pages = _guest.Memory.Blocks.Sum(block => block.Log is { } log ? Count(log) : 0);
                    _guest.Memory.StopLog();
                    return (pages, Clock.Elapsed);
                });
            }
            finally
            {
                _guest.Unclaim(this);
            }
        }

        static long Count(DirtyBitmap log)
        {
            long pages = 0;
            for (var word = 0; word < log.WordCount; word++) pages += BitOperations.PopCount(log.Take(word));
            return pages;
        }
    }
}
