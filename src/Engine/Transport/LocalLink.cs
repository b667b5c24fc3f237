namespace PsMigrate.Engine.Transport;

/// <summary>An in-process link.</summary>
static class LocalLink
{
    /// <summary>The two ends of a new link.</summary>
    public static (IConnection Source, IConnection Destination) Create(string description) => throw new NotImplementedException(description);
}
