using System.Globalization;

namespace PsMigrate.Bench.Peers;

/// <summary>copy.c, compiled by the machine's own compiler: what a plain program makes of a unix socket.</summary>
sealed class CopyProgram : IDisposable
{
    readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("bench-copy-");
    readonly Child _child;

    /// <summary>Throws a skipping <see cref="BenchException"/> where there is no C compiler.</summary>
    public CopyProgram(long bytes)
    {
        try
        {
            _child = Child.Start(Compile(), bytes.ToString(CultureInfo.InvariantCulture));
        }
        catch
        {
            _folder.Delete(recursive: true);
            throw;
        }
    }

    /// <summary>Copies once; both sides' memory is warm from the first time on.</summary>
    public TimeSpan Copy()
    {
        _child.WriteLine("");
        return TimeSpan.FromSeconds(double.Parse(_child.ReadLine(), CultureInfo.InvariantCulture));
    }

    public void Dispose()
    {
        _child.Dispose();
        _folder.Delete(recursive: true);
    }

    string Compile()
    {
        var (source, program) = (Path.Combine(_folder.FullName, "copy.c"), Path.Combine(_folder.FullName, "copy"));
        using (var text = typeof(CopyProgram).Assembly.GetManifestResourceStream("copy.c")!)
        using (var file = File.Create(source)) text.CopyTo(file);
        using var compiler = Child.Start("cc", "-O2", "-o", program, source);
        compiler.ReadToEnd();
        return File.Exists(program) ? program : throw new BenchException($"cc failed: {compiler.Errors}");
    }
}
