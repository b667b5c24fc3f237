using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Destination;

/// <summary>Is told of migrations that come in, and of connections that came to nothing. Called from many threads.</summary>
interface IArrivalLog
{
    /// <summary>A main stream has come.</summary>
    void Begins(IncomingMigration incoming);

    /// <summary>It is over.</summary>
    void Ended(IncomingMigration incoming);

    /// <summary>A connection that belongs to no migration.</summary>
    void Refused(ArrivedConnection arrived, MigrationException error);
}
