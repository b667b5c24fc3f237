namespace PsMigrate.Bench.Peers;

/// <summary>This program again, as a child in another role.</summary>
static class ThisProgram
{
    public static Child Start(params string[] arguments)
    {
        var program = Environment.ProcessPath!;
        // Under `dotnet PsMigrate.Bench.dll` the process is dotnet itself.
        string[] library = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [typeof(ThisProgram).Assembly.Location] : [];
        return Child.Start(program, [.. library, .. arguments]);
    }
}
