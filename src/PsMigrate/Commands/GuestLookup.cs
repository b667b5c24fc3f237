using System.Management.Automation;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>Guests by name.</summary>
static class GuestLookup
{
    /// <summary>
    /// The guests with these names, which may hold wildcards, on the hosts that match. A plain name that nobody has is handed to
    /// <paramref name="missing"/>; a pattern that fits nobody gives nothing, as everywhere in PowerShell.
    /// </summary>
    public static IReadOnlyList<Guest> Find(IEnumerable<string> names, string hostName, Action<MigrationException, string> missing)
    {
        var host = Pattern(hostName);
        var all = GuestRegistry.All.Where(guest => host.IsMatch(guest.Host)).ToList();
        var found = new List<Guest>();
        foreach (var name in names)
        {
            var pattern = Pattern(name);
            var matches = all.FindAll(guest => pattern.IsMatch(guest.Name));
            if (matches.Count == 0 && !WildcardPattern.ContainsWildcardCharacters(name)) missing(NotFound(name, hostName), name);
            found.AddRange(matches.Except(found));
        }
        return found;
    }

    static WildcardPattern Pattern(string text) => new(text, WildcardOptions.IgnoreCase | WildcardOptions.CultureInvariant);

    static MigrationException NotFound(string name, string hostName) => new(MigrationErrorId.GuestNotFound, MigrationSide.User,
        hostName == "*" ? $"There is no guest '{name}'." : $"There is no guest '{name}' on host '{hostName}'.");
}
