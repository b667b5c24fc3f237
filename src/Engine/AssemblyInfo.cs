using System.Runtime.CompilerServices;

// Guest RAM is handled by pointer and span throughout; zeroing locals first would only cost time.
[module: SkipLocalsInit]
