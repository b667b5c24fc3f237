using PsMigrate.HelpBuilder;

if (args.Length != 2)
{
    Console.Error.WriteLine("Usage: HelpBuilder <folder of Markdown help> <output folder>");
    return 2;
}

try
{
    foreach (var written in HelpFolder.Build(args[0], args[1])) Console.WriteLine(written);
    return 0;
}
catch (Exception e) when (e is HelpException or IOException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
