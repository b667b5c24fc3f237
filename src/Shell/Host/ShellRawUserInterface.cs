using System.Management.Automation;
using System.Management.Automation.Host;

namespace PsMigrate.Shell.Host;

/// <summary>The terminal as a grid, as far as one can be had: its size is what tables are laid out by.</summary>
sealed class ShellRawUserInterface : PSHostRawUserInterface
{
    string _title = "psmigrate";

    /// <inheritdoc/>
    public override ConsoleColor ForegroundColor { get; set; } = ConsoleColor.Gray;

    /// <inheritdoc/>
    public override ConsoleColor BackgroundColor { get; set; } = ConsoleColor.Black;

    /// <inheritdoc/>
    public override Size BufferSize
    {
        get => WindowSize;
        set => throw Unsupported();
    }

    /// <inheritdoc/>
    public override Size WindowSize
    {
        get => new(ShellConsole.Width, Console.IsOutputRedirected || Console.WindowHeight <= 0 ? 40 : Console.WindowHeight);
        set => throw Unsupported();
    }

    /// <inheritdoc/>
    public override Size MaxWindowSize => WindowSize;

    /// <inheritdoc/>
    public override Size MaxPhysicalWindowSize => WindowSize;

    /// <inheritdoc/>
    public override Coordinates WindowPosition { get; set; }

    /// <inheritdoc/>
    public override Coordinates CursorPosition
    {
        get => Console.IsOutputRedirected || Console.IsInputRedirected ? default : new(Console.CursorLeft, Console.CursorTop);
        set
        {
            if (!Console.IsOutputRedirected)
                Console.SetCursorPosition(value.X, value.Y);
        }
    }

    /// <inheritdoc/>
    public override int CursorSize { get; set; } = 25;

    /// <inheritdoc/>
    public override bool KeyAvailable => !Console.IsInputRedirected && Console.KeyAvailable;

    /// <inheritdoc/>
    public override string WindowTitle
    {
        get => _title;
        set
        {
            _title = value ?? "";
            if (!Console.IsOutputRedirected)
                Console.Title = _title;
        }
    }

    /// <inheritdoc/>
    public override void FlushInputBuffer()
    {
        while (KeyAvailable)
            Console.ReadKey(intercept: true);
    }

    /// <inheritdoc/>
    public override KeyInfo ReadKey(ReadKeyOptions options)
    {
        if (Console.IsInputRedirected)
            throw new PSInvalidOperationException("A key can't be read: standard input is not a terminal.");
        var key = Console.ReadKey(options.HasFlag(ReadKeyOptions.NoEcho));
        return new((int)key.Key, key.KeyChar, ControlKeys(key.Modifiers), keyDown: true);
    }

    /// <inheritdoc/>
    public override void SetBufferContents(Rectangle rectangle, BufferCell fill)
    {
        // Filling the whole grid with blanks is how PowerShell clears the screen.
        if (!Console.IsOutputRedirected && rectangle is { Left: -1, Top: -1, Right: -1, Bottom: -1 })
            Console.Clear();
    }

    /// <inheritdoc/>
    public override void SetBufferContents(Coordinates origin, BufferCell[,] contents) => throw Unsupported();

    /// <inheritdoc/>
    public override BufferCell[,] GetBufferContents(Rectangle rectangle) => throw Unsupported();

    /// <inheritdoc/>
    public override void ScrollBufferContents(Rectangle source, Coordinates destination, Rectangle clip, BufferCell fill) => throw Unsupported();

    static ControlKeyStates ControlKeys(ConsoleModifiers modifiers) =>
        (modifiers.HasFlag(ConsoleModifiers.Shift) ? ControlKeyStates.ShiftPressed : 0)
        | (modifiers.HasFlag(ConsoleModifiers.Control) ? ControlKeyStates.LeftCtrlPressed : 0)
        | (modifiers.HasFlag(ConsoleModifiers.Alt) ? ControlKeyStates.LeftAltPressed : 0);

    static PSNotSupportedException Unsupported() => new("This terminal does not offer that.");
}
