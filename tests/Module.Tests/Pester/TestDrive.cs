using System.Management.Automation;
using System.Management.Automation.Runspaces;

namespace PsMigrate.ModuleTests.Pester;

/// <summary><c>TestDrive:</c> and <c>$TestDrive</c>: a folder per test file. What a block puts there goes when the block ends.</summary>
sealed class TestDrive : IDisposable
{
    readonly string _root = Directory.CreateTempSubdirectory("psmigrate-").FullName;

    public void Mount(Runspace runspace)
    {
        var state = runspace.SessionStateProxy;
        state.SetVariable("TestDrive", _root);
        var provider = state.Provider.GetOne("FileSystem");
        state.Drive.New(new PSDriveInfo("TestDrive", provider, _root, "Pester test drive", null), "global");
    }

    public string[] Entries() => Directory.GetFileSystemEntries(_root, "*", SearchOption.AllDirectories);

    public void RemoveAllBut(string[] keep)
    {
        foreach (var entry in Entries().Except(keep, StringComparer.Ordinal))
            if (Directory.Exists(entry)) Directory.Delete(entry, recursive: true);
            else File.Delete(entry);
    }

    public void Dispose()
    {
        try
        {
            Directory.Delete(_root, recursive: true);
        }
        catch (IOException)
        {
            // A file that hung may still hold something open; the system's temporary folder is cleaned by the system.
        }
    }
}
