using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.Loader;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>Our copy of the library, apart from whatever the process has under the same name.</summary>
public sealed class ZstdLibraryTests
{
    [Fact]
    public void It_is_loaded_apart_from_the_one_that_the_process_has()
    {
        var others = typeof(ZstdSharp.Compressor).Assembly;
        Assert.NotSame(others, ZstdLibrary.Instance.Assembly);
        Assert.Equal(others.FullName, ZstdLibrary.Instance.Assembly.FullName);
        Assert.NotSame(AssemblyLoadContext.Default, AssemblyLoadContext.GetLoadContext(ZstdLibrary.Instance.Assembly));
    }

    [Fact]
    public void The_engine_names_no_other_assembly_to_the_runtime() =>
        Assert.DoesNotContain(typeof(ZstdLibrary).Assembly.GetReferencedAssemblies(), name => name.Name!.StartsWith("Zstd", StringComparison.Ordinal));

    [Fact]
    public void A_folder_without_it_one_with_a_damaged_one_and_one_with_another_of_its_name_are_told_apart()
    {
        var folder = Directory.CreateTempSubdirectory("zstd");
        try
        {
            AssertRefused<FileNotFoundException>(folder.FullName);
            var path = Path.Combine(folder.FullName, "ZstdSharp.dll");
            File.WriteAllText(path, "no assembly");
            AssertRefused<BadImageFormatException>(folder.FullName);
            Impostor(path);
            AssertRefused<MissingMethodException>(folder.FullName);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    static void AssertRefused<T>(string folder) where T : Exception
    {
        var error = Assert.Throws<MigrationException>(() => ZstdLibrary.Load(folder));
        Assert.Equal((MigrationErrorId.UnsupportedFeature, MigrationSide.User), (error.Id, error.Side));
        Assert.Contains(folder, error.Message, StringComparison.Ordinal);
        Assert.IsType<T>(error.InnerException);
    }

    /// <summary>An assembly of that name and of a later version, with the class and without its methods.</summary>
    static void Impostor(string path)
    {
        var assembly = new PersistedAssemblyBuilder(new AssemblyName("ZstdSharp, Version=99.0.0.0"), typeof(object).Assembly);
        assembly.DefineDynamicModule("ZstdSharp").DefineType("ZstdSharp.Unsafe.Methods", TypeAttributes.Public).CreateType();
        assembly.Save(path);
    }
}
