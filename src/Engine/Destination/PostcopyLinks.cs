using System.Buffers;
using System.Buffers.Binary;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// Brings the further connections of postcopies to them: a recovery after a lost link, and preempt channels, which say nothing unless the
/// guest asks for a page. Neither tells whose it is, so it belongs to the only postcopy of a QEMU from its address, and by
/// TLS from its subject, or to none. One of ours tells, and comes as a main stream (JOIN). Thread-safe.
/// </summary>
/// <param name="patience">How long a recovery waits for its migration to notice that its link is gone.</param>
sealed class PostcopyLinks(TimeSpan patience)
{
    // A QEMU has one of either at a time; of those that it has given up not all may have ended yet.
    const int MostOfOne = 8;

    readonly Lock _lock = new();
    readonly List<(ArrivedConnection Main, IncomingMigration Migration)> _migrations = [];
    readonly List<(ArrivedConnection Arrived, IncomingMigration Migration)> _preempting = [];
    readonly List<(ArrivedConnection Arrived, IncomingMigration Migration)> _recovering = [];

    /// <summary>A main stream has come.</summary>
    public void Join(ArrivedConnection main, IncomingMigration migration)
    {
        lock (_lock) _migrations.Add((main, migration));
    }

    /// <summary>It is over, and its preempt channels with it.</summary>
    public void Leave(IncomingMigration migration)
    {
        lock (_lock)
        {
            _migrations.RemoveAll(one => one.Migration == migration);
            foreach (var one in _preempting.Where(one => one.Migration == migration)) one.Arrived.Connection.Abort();
        }
    }

    /// <summary>Whether a silent connection is to be kept, as the preempt channel of a migration that is under way.</summary>
    public bool IsAwaited(ArrivedConnection arrived)
    {
        if (!MayAwait(arrived)) return false;
        arrived.MayBePreempt = true;
        return true;
    }

    /// <summary>Whether it may be the preempt channel of a migration that is under way.</summary>
    public bool MayAwait(ArrivedConnection arrived) => Find(arrived, migration => migration.IsPostcopyAdvised).Length > 0;

    /// <summary>Brings a recovery to its migration, until that is through with it. Throws DestinationRefused.</summary>
    public void Recover(ArrivedConnection arrived)
    {
        var postcopies = Find(arrived, migration => migration.MayRecover);
        if (postcopies.Length > 1) throw Ambiguous("recovery");
        if (postcopies.Length == 0 || !TryServe(_recovering, arrived, postcopies[0], migration => migration.TryRecover(arrived.Connection, patience)))
            throw Refused("A source wants to go on with a postcopy, and none from its address waits for that.");
    }

    /// <summary>Reads a preempt channel, whose first word has come, to its end. Throws DestinationRefused, BadMagic.</summary>
    public void Preempt(ArrivedConnection arrived)
    {
        if (IsOnlyEnd(arrived)) return;
        var postcopies = Find(arrived, migration => migration.IsPostcopyAdvised);
        if (postcopies.Length > 1) throw Ambiguous("preempt channel");
        if (postcopies.Length == 1 && TryServe(_preempting, arrived, postcopies[0], migration => migration.TryServePreempt(arrived.Connection))) return;
        if (!arrived.MayBePreempt)
            throw new MigrationException(MigrationErrorId.BadMagic, MigrationSide.Source, "A connection begins with RAM records, and no postcopy from its address is under way.");
    }

    bool TryServe(List<(ArrivedConnection Arrived, IncomingMigration Migration)> served, ArrivedConnection arrived, IncomingMigration migration, Func<IncomingMigration, bool> serve)
    {
        lock (_lock)
        {
            if (!_migrations.Exists(one => one.Migration == migration) || served.Count(one => one.Migration == migration) >= MostOfOne) return false;
            served.Add((arrived, migration));
        }
        arrived.IsTaken = true;
        try
        {
            return serve(migration);
        }
        finally
        {
            lock (_lock) served.RemoveAll(one => one.Arrived == arrived);
        }
    }

    /// <summary>The word that ends the preempt channel of machines up to 7.2, with no page before it: whose it was does not matter.</summary>
    static bool IsOnlyEnd(ArrivedConnection arrived)
    {
        var pipe = arrived.Connection.Input;
        var read = pipe.ReadAsync();
        var buffer = (read.IsCompletedSuccessfully ? read.Result : read.AsTask().GetAwaiter().GetResult()).Buffer;
        Span<byte> word = stackalloc byte[8];
        var isWhole = buffer.Length >= word.Length;
        if (isWhole) buffer.Slice(0, word.Length).CopyTo(word);
        pipe.AdvanceTo(buffer.Start);
        return isWhole && BinaryPrimitives.ReadUInt64BigEndian(word) == RamFlags.Eos;
    }

    IncomingMigration[] Find(ArrivedConnection arrived, Func<IncomingMigration, bool> isIt)
    {
        lock (_lock) return [.. _migrations.Where(one => one.Main.IsOfSameSource(arrived) && isIt(one.Migration)).Select(one => one.Migration)];
    }

    static MigrationException Ambiguous(string what) =>
        Refused($"A {what} came, and several postcopies from its address are under way: nothing tells to which of them it belongs.");

    static MigrationException Refused(string message) => new(MigrationErrorId.DestinationRefused, MigrationSide.Destination, message);
}
