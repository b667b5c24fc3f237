using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>
/// A link without a way back: a file, or the standard input or output of a command. What would be sent the other way is thrown
/// away, and what would come that way has ended.
/// </summary>
interface IOneWayConnection : IConnection
{
    /// <summary>
    /// To be called once the last byte was written or read: makes a file last, or waits for the end of a command. Disposing of
    /// the connection without it leaves nothing behind. Throws FileFailed, CommandFailed, and PeerSilent for a command that goes on.
    /// </summary>
    void Complete(TimeSpan timeout);
}

/// <summary>The typed errors of files and commands, in one wording.</summary>
static class OneWayErrors
{
    /// <summary>Whether it is an error of the file system.</summary>
    public static bool IsFileError(Exception e) =>
        e is IOException or UnauthorizedAccessException or NotSupportedException or System.Security.SecurityException;

    /// <summary>FileFailed.</summary>
    public static MigrationException File(string path, string what, Exception inner) =>
        new(MigrationErrorId.FileFailed, MigrationSide.Link, $"The file {path} can't be {what}: {inner.Message}", inner);

    /// <summary>CommandFailed.</summary>
    public static MigrationException Command(string command, string what, Exception? inner = null) =>
        new(MigrationErrorId.CommandFailed, MigrationSide.Link, $"The command '{command}' {what}", inner);
}
