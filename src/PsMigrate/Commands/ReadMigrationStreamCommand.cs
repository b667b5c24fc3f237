using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Completion;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Streams;

namespace PsMigrate.Commands;

/// <summary>Looks into captured migration streams, and takes RAM out of them.</summary>
[Cmdlet(VerbsCommunications.Read, "MigrationStream", SupportsShouldProcess = true, DefaultParameterSetName = ByPath)]
[OutputType(typeof(MigrationStream), ParameterSetName = [ByPath, ByLiteralPath])]
[OutputType(typeof(StreamDevice), ParameterSetName = [ByPath, ByLiteralPath])]
[OutputType(typeof(FileInfo), ParameterSetName = [BlockByPath, BlockByLiteralPath])]
[OutputType(typeof(StreamMessage), ParameterSetName = [ByReturnPath])]
public sealed class ReadMigrationStreamCommand : EngineCmdlet, IDisposable
{
    const string ByPath = "Path";
    const string ByLiteralPath = "LiteralPath";
    const string BlockByPath = "Block";
    const string BlockByLiteralPath = "BlockLiteralPath";
    const string ByReturnPath = "ReturnPath";

    readonly CancellationTokenSource _stop = new();

    /// <summary>The files.</summary>
    [Parameter(ParameterSetName = ByPath, Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Files that hold streams; wildcards are allowed.")]
    [Parameter(ParameterSetName = BlockByPath, Mandatory = true, Position = 0, HelpMessage = "The file that holds the stream.")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>The files, as they are written.</summary>
    [Parameter(ParameterSetName = ByLiteralPath, Mandatory = true, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Files that hold streams, taken as they are written.")]
    [Parameter(ParameterSetName = BlockByLiteralPath, Mandatory = true,
        HelpMessage = "The file that holds the stream, taken as it is written.")]
    [Alias("PSPath", "FullName", "LP")]
    [ValidateNotNullOrEmpty]
    public string[] LiteralPath { get; set; } = [];

    /// <summary>Where the stream begins.</summary>
    [Parameter(ParameterSetName = ByPath, HelpMessage = "Where in the file the stream begins, as in migrate file:x,offset=N.")]
    [Parameter(ParameterSetName = ByLiteralPath, HelpMessage = "Where in the file the stream begins, as in migrate file:x,offset=N.")]
    [Parameter(ParameterSetName = BlockByPath, HelpMessage = "Where in the file the stream begins, as in migrate file:x,offset=N.")]
    [Parameter(ParameterSetName = BlockByLiteralPath, HelpMessage = "Where in the file the stream begins, as in migrate file:x,offset=N.")]
    [Size]
    [ValidateRange(0, long.MaxValue)]
    public long Offset { get; set; }

    /// <summary>Give these devices instead of the summary.</summary>
    [Parameter(ParameterSetName = ByPath, HelpMessage = "Give the devices of these names instead of the summary; wildcards are allowed.")]
    [Parameter(ParameterSetName = ByLiteralPath,
        HelpMessage = "Give the devices of these names instead of the summary; wildcards are allowed.")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(StreamDeviceCompleter))]
    public string[] Device { get; set; } = [];

    /// <summary>Take this RAM block out.</summary>
    [Parameter(ParameterSetName = BlockByPath, Mandatory = true, HelpMessage = "The RAM block to take out, such as pc.ram.")]
    [Parameter(ParameterSetName = BlockByLiteralPath, Mandatory = true, HelpMessage = "The RAM block to take out, such as pc.ram.")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(StreamBlockCompleter))]
    public string Block { get; set; } = "";

    /// <summary>Write it there.</summary>
    [Parameter(ParameterSetName = BlockByPath, Mandatory = true, HelpMessage = "The file to write the block to, page 0 first.")]
    [Parameter(ParameterSetName = BlockByLiteralPath, Mandatory = true, HelpMessage = "The file to write the block to, page 0 first.")]
    [ValidateNotNullOrEmpty]
    public string OutFile { get; set; } = "";

    /// <summary>Replace it.</summary>
    [Parameter(ParameterSetName = BlockByPath, HelpMessage = "Replace the file if it is there.")]
    [Parameter(ParameterSetName = BlockByLiteralPath, HelpMessage = "Replace the file if it is there.")]
    public SwitchParameter Force { get; set; }

    /// <summary>Files that hold what a destination sent.</summary>
    [Parameter(ParameterSetName = ByReturnPath, Mandatory = true,
        HelpMessage = "Files that hold what a destination sent to its source; wildcards are allowed.")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[] ReturnPath { get; set; } = [];

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        try
        {
            if (ParameterSetName == ByReturnPath) ForEachFile(ReturnPath, isLiteral: false, ReadReturnPath);
            else if (IsBound(nameof(LiteralPath))) ForEachFile(LiteralPath, isLiteral: true, Read);
            else ForEachFile(Path, isLiteral: false, Read);
        }
        catch (OperationCanceledException) when (Stopping)
        {
            // Ctrl+C: nothing is left behind.
        }
    }

    /// <inheritdoc/>
    protected override void StopProcessing() => _stop.Cancel();

    /// <inheritdoc/>
    public void Dispose() => _stop.Dispose();

    void Read(string file)
    {
        if (ParameterSetName is BlockByPath or BlockByLiteralPath)
        {
            Extract(file);
            return;
        }
        var stream = StreamInspector.Read(file, Offset, _stop.Token);
        if (IsBound(nameof(Device))) WriteObject(stream.Devices.Where(IsAskedFor), enumerateCollection: true);
        else WriteObject(stream);
        // After what could be read.
        if (stream.Error is { } error) WriteFailure(error, file);
    }

    bool IsAskedFor(StreamDevice device) =>
        Array.Exists(Device, name => new WildcardPattern(name, WildcardOptions.IgnoreCase).IsMatch(device.Name));

    void Extract(string file)
    {
        var target = FileLookup.Unresolved(SessionState.Path, OutFile);
        if (File.Exists(target) && !Force)
            throw new MigrationException(MigrationErrorId.FileFailed, MigrationSide.User,
                $"{target} is there already; -Force replaces it.");
        if (!ShouldProcess(target, $"Write RAM block {Block} of {file}")) return;
        var extracted = BlockExtractor.Extract(file, Offset, Block, target, Force, _stop.Token);
        if (extracted.MissingPages > 0)
            WriteWarning($"{Figures.Count(extracted.MissingPages, "page")} of {Block} are not in {file} and are zero in {target}: "
                + "they went by other channels (multifd, preempt), or were to follow.");
        WriteObject(new FileInfo(target));
    }

    void ReadReturnPath(string file)
    {
        foreach (var message in StreamInspector.ReadReturnPath(file, _stop.Token)) WriteObject(message);
    }

    void ForEachFile(string[] paths, bool isLiteral, Action<string> action)
    {
        foreach (var path in paths)
        {
            IReadOnlyList<string> files = [];
            Try(path, () => files = isLiteral ? [FileLookup.Unresolved(SessionState.Path, path)] : FileLookup.Resolved(SessionState.Path, path));
            foreach (var file in files) Try(file, () => action(file));
        }
    }
}
