using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// The functions of ZstdSharp.Port, from the copy that lies beside this assembly, loaded into a context of its own: a process with
/// PowerShell has other modules in it, and another version that one of them brought along would be taken for ours, or keep ours out.
/// Nothing of it is named in this assembly's references, so that the runtime never looks for it by itself. Thread-safe.
/// </summary>
sealed unsafe class ZstdLibrary
{
    /// <summary>ZSTD_cParameter.ZSTD_c_compressionLevel.</summary>
    public const int CompressionLevel = 100;

    /// <summary>ZSTD_dParameter.ZSTD_d_windowLogMax.</summary>
    public const int WindowLogMax = 100;

    static readonly Lazy<ZstdLibrary> Loaded = new(() => Load(Path.GetDirectoryName(typeof(ZstdLibrary).Assembly.Location)!));

    readonly Type _methods;
    readonly delegate*<void*> _createCompressor;
    readonly delegate*<void*, nuint> _freeCompressor;
    readonly delegate*<void*, int, int, nuint> _setCompressor;
    readonly delegate*<void*, Buffer*, Buffer*, int, nuint> _compress;
    readonly delegate*<void*> _createDecompressor;
    readonly delegate*<void*, nuint> _freeDecompressor;
    readonly delegate*<void*, int, int, nuint> _setDecompressor;
    readonly delegate*<void*, Buffer*, Buffer*, nuint> _decompress;
    readonly delegate*<nuint, bool> _isError;
    readonly delegate*<nuint, string> _errorName;

    /// <summary>Loads ZstdSharp.dll of a folder. Throws what the runtime throws: <see cref="Load"/> makes it one error.</summary>
    internal ZstdLibrary(string folder)
    {
        Assembly = new AssemblyLoadContext("PsMigrate zstd").LoadFromAssemblyPath(Path.Combine(folder, "ZstdSharp.dll"));
        _methods = Assembly.GetType("ZstdSharp.Unsafe.Methods", throwOnError: true)!;
        _createCompressor = (delegate*<void*>)Find("ZSTD_createCCtx", 0);
        _freeCompressor = (delegate*<void*, nuint>)Find("ZSTD_freeCCtx", 1);
        _setCompressor = (delegate*<void*, int, int, nuint>)Find("ZSTD_CCtx_setParameter", 3);
        _compress = (delegate*<void*, Buffer*, Buffer*, int, nuint>)Find("ZSTD_compressStream2", 4);
        _createDecompressor = (delegate*<void*>)Find("ZSTD_createDCtx", 0);
        _freeDecompressor = (delegate*<void*, nuint>)Find("ZSTD_freeDCtx", 1);
        _setDecompressor = (delegate*<void*, int, int, nuint>)Find("ZSTD_DCtx_setParameter", 3);
        _decompress = (delegate*<void*, Buffer*, Buffer*, nuint>)Find("ZSTD_decompressStream", 3);
        _isError = (delegate*<nuint, bool>)Find("ZSTD_isError", 1);
        _errorName = (delegate*<nuint, string>)Find("ZSTD_getErrorName", 1);
    }

    /// <summary>The one that all share; loaded when it is first asked for. Throws UnsupportedFeature.</summary>
    public static ZstdLibrary Instance => Loaded.Value;

    /// <summary>Loads it from a folder. Throws UnsupportedFeature where it is missing, damaged or of another make.</summary>
    internal static ZstdLibrary Load(string folder)
    {
        try
        {
            return new ZstdLibrary(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or BadImageFormatException or TypeLoadException or MissingMemberException)
        {
            throw new MigrationException(MigrationErrorId.UnsupportedFeature, MigrationSide.User,
                $"zstd can't be used here: ZstdSharp.dll, a part of PsMigrate, can't be loaded from {folder}.", e);
        }
    }

    /// <summary>Where the functions come from.</summary>
    public Assembly Assembly { get; }

    /// <summary>A compressing context at a level, as ZSTD_initCStream makes it; <see cref="FreeCompressor"/> gives it back.</summary>
    public void* CreateCompressor(int level)
    {
        var context = Made(_createCompressor());
        Check(_setCompressor(context, CompressionLevel, level));
        return context;
    }

    public void FreeCompressor(void* context) => _freeCompressor(context);

    /// <summary>ZSTD_compressStream2; what is left inside. Throws InvalidDataException.</summary>
    public nuint Compress(void* context, ref Buffer output, ref Buffer input, ZstdEnd end)
    {
        fixed (Buffer* to = &output, from = &input) return Check(_compress(context, to, from, (int)end));
    }

    /// <summary>A decompressing context that refuses frames of a larger window; <see cref="FreeDecompressor"/> gives it back.</summary>
    public void* CreateDecompressor(int windowBits)
    {
        var context = Made(_createDecompressor());
        Check(_setDecompressor(context, WindowLogMax, windowBits));
        return context;
    }

    public void FreeDecompressor(void* context) => _freeDecompressor(context);

    /// <summary>ZSTD_decompressStream; 0 at the end of a frame. Throws InvalidDataException.</summary>
    public nuint Decompress(void* context, ref Buffer output, ref Buffer input)
    {
        fixed (Buffer* to = &output, from = &input) return Check(_decompress(context, to, from));
    }

    nuint Check(nuint result) => _isError(result) ? throw new InvalidDataException(_errorName(result)) : result;

    static void* Made(void* context) => context is null ? throw new InsufficientMemoryException("zstd has no memory.") : context;

    // Pointers and enums of the library are passed as pointers and integers of ours: the same to the processor.
    nint Find(string name, int parameters)
    {
        var method = Array.Find(_methods.GetMethods(), method => method.Name == name && method.GetParameters().Length == parameters)
            ?? throw new MissingMethodException(_methods.FullName, name);
        return method.MethodHandle.GetFunctionPointer();
    }

    /// <summary>ZSTD_inBuffer and ZSTD_outBuffer, which are laid out alike.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Buffer
    {
        public void* Data;
        public nuint Size;
        public nuint Position;
    }
}

/// <summary>ZSTD_EndDirective: what a call leaves behind.</summary>
enum ZstdEnd
{
    /// <summary>Whatever suits the compressor.</summary>
    Continue = 0,

    /// <summary>All that went in can be unpacked.</summary>
    Flush = 1,

    /// <summary>The frame is closed.</summary>
    End = 2,
}
