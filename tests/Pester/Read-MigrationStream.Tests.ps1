BeforeAll {
    . $PSScriptRoot/common.ps1

    function New-StreamBytes {
        # A stream of machine none with four pages: data, zero, data, zero, and in a second pass the first page again, as zero.
        param([string] $Machine = 'none', [byte] $Fill = 0x41)
        $bytes = [System.Collections.Generic.List[byte]]::new()
        $add = { foreach ($list in $args) { foreach ($one in $list) { $bytes.AddRange([byte[]]@($one)) } } }
        $name = { param($text) $bytes.Add([byte]$text.Length); $bytes.AddRange([System.Text.Encoding]::ASCII.GetBytes($text)) }
        $ram = { & $add (0, 0, 0, 3) }
        $footer = { param($id) & $add 0x7e, 0, 0, 0, $id }
        $page = { param($index, $flags) & $add (0, 0, 0, 0, 0, 0, ($index * 16), $flags) }
        $content = { $bytes.AddRange([byte[]]@($Fill) * 4096) }
        & $add (0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 3, 7, 0, 0, 0, $Machine.Length)
        $bytes.AddRange([System.Text.Encoding]::ASCII.GetBytes($Machine))
        & $add (8, 0, 1, 0, 0), (8, 0, 2, 0, 4, 0, 0, 0, 1)
        & $add 1; & $ram; & $name 'ram'; & $add (0, 0, 0, 0, 0, 0, 0, 4)
        & $add (0, 0, 0, 0, 0, 0, 0x40, 4); & $name 'ram'; & $add (0, 0, 0, 0, 0, 0, 0x40, 0)
        & $add (0, 0, 0, 0, 0, 0, 0, 0x10); & $footer 3
        & $add 2; & $ram
        & $page 0 8; & $name 'ram'; & $content
        & $page 1 0x22; & $add 0
        & $page 2 0x28; & $content
        & $page 3 0x22; & $add 0
        & $add (0, 0, 0, 0, 0, 0, 0, 0x10); & $footer 3
        & $add 3; & $ram
        & $page 0 0x22; & $add 0
        & $add (0, 0, 0, 0, 0, 0, 0, 0x10); & $footer 3
        & $add 4, 0, 0, 0, 7; & $name 'clock'; & $add (0, 0, 0, 0, 0, 0, 0, 1), (0, 0, 0, 42, 1); & $footer 7
        $json = '{"page_size":4096,"devices":[{"name":"clock","instance_id":0,"vmsd_name":"clock","version":1,"fields":[' +
            '{"name":"ticks","type":"uint32","size":4},{"name":"runs","type":"bool","size":1}]}]}'
        & $add 0, 6, 0, 0, 0, $json.Length
        $bytes.AddRange([System.Text.Encoding]::ASCII.GetBytes($json))
        , $bytes.ToArray()
    }

    $bytes = New-StreamBytes
    $folder = [System.IO.Directory]::CreateTempSubdirectory('psmigrate-pester-').FullName
    $file = "$folder/one.bin"
    [System.IO.File]::WriteAllBytes($file, $bytes)
    [System.IO.File]::WriteAllBytes("$folder/two[1].bin", (New-StreamBytes -Machine 'pc-q35-10.0'))
}

AfterAll { [System.IO.Directory]::Delete($folder, $true) }

Describe 'Read-MigrationStream' {
    BeforeEach { $failed = $null }

    It 'gives a summary of the stream' {
        $stream = Read-MigrationStream $file
        $stream | Should -BeOfType 'PsMigrate.Engine.Streams.MigrationStream'
        $stream.Path | Should -Be $file
        $stream.Kind | Should -Be 'Precopy'
        $stream.Machine | Should -Be 'none'
        $stream.Length | Should -Be $bytes.Length
        $stream.HasEof | Should -BeTrue
        $stream.TrailingBytes | Should -Be 0
        $stream.Error | Should -BeNullOrEmpty
        $stream.NormalPages, $stream.ZeroPages, $stream.XbzrlePages | Should -Be @(2, 3, 0)
    }

    It 'lists sections, blocks, passes and commands' {
        $stream = Read-MigrationStream $file
        "$($stream.Sections.Type)" | Should -Be 'Start Part End Full'
        $stream.Sections.Pages | Should -Be @(0, 4, 1, 0)
        $stream.Blocks[0].Name | Should -Be 'ram'
        $stream.Blocks[0].Length | Should -Be 16384
        $stream.Passes.Pages | Should -Be @(4, 1)
        $stream.Commands.Command | Should -Be @('OpenReturnPath', 'Ping')
        $stream.Commands[1].Detail | Should -Be '1'
    }

    It 'decodes the devices that are asked for' {
        $device = Read-MigrationStream $file -Device CL*
        $device | Should -BeOfType 'PsMigrate.Engine.Streams.StreamDevice'
        $device['ticks'].Value | Should -Be 42
        $device['runs'].Value | Should -BeTrue
        $device.Fields.Type | Should -Be @('uint32', 'bool')
        Read-MigrationStream $file -Device nothing -ErrorVariable failed | Should -BeNullOrEmpty
        $failed | Should -BeNullOrEmpty
    }

    It 'begins at an offset' {
        [System.IO.File]::WriteAllBytes("$folder/later", [byte[]]@(9, 9, 9) + $bytes)
        $stream = Read-MigrationStream "$folder/later" -Offset 3
        $stream.Offset, $stream.Length | Should -Be @(3, $bytes.Length)
        $stream.Error | Should -BeNullOrEmpty
    }

    It 'takes wildcards with -Path, and none with -LiteralPath' {
        (Read-MigrationStream "$folder/*.bin").Machine | Should -Be @('none', 'pc-q35-10.0')
        (Read-MigrationStream -LiteralPath "$folder/two[1].bin").Machine | Should -Be 'pc-q35-10.0'
        Read-MigrationStream "$folder/*.none" -ErrorVariable failed | Should -BeNullOrEmpty
        $failed | Should -BeNullOrEmpty
    }

    It 'takes paths and files from the pipeline' {
        ($file, "$folder/two*.bin" | Read-MigrationStream).Machine | Should -Be @('none', 'pc-q35-10.0')
        ([System.IO.FileInfo]::new("$folder/two[1].bin") | Read-MigrationStream).Machine | Should -Be 'pc-q35-10.0'
        ([pscustomobject]@{ PSPath = $file } | Read-MigrationStream).Machine | Should -Be 'none'
        ([pscustomobject]@{ Path = $file } | Read-MigrationStream).Machine | Should -Be 'none'
    }

    It 'misses a file that is not there, and goes on' {
        $stream = Read-MigrationStream "$folder/nowhere", $file -ErrorVariable failed -ErrorAction SilentlyContinue
        $stream.Machine | Should -Be 'none'
        $failed | Should -HaveCount 1
        $failed[0].FullyQualifiedErrorId | Should -Be 'FileFailed,PsMigrate.Commands.ReadMigrationStreamCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'OpenError'
        $null = Read-MigrationStream -LiteralPath "$folder/nowhere", $folder -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed.Exception.Id | Should -Be @('FileFailed', 'FileFailed')
    }

    It 'reads no other provider' {
        Read-MigrationStream -LiteralPath 'Variable:file' -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].Exception.Id | Should -Be 'FileFailed'
    }

    It 'gives what comes before a damage, and then says where it is' {
        $damaged = $bytes.Clone()
        $part = (Read-MigrationStream $file).Sections[1]
        # The type of the record behind the first part.
        $damaged[$part.Offset + $part.Length] = 0x55
        [System.IO.File]::WriteAllBytes("$folder/damaged", $damaged)
        $stream = Read-MigrationStream "$folder/damaged" -ErrorVariable failed -ErrorAction SilentlyContinue
        $stream.Sections | Should -HaveCount 2
        $stream.NormalPages | Should -Be 2
        $failed | Should -HaveCount 1
        $failed[0].Exception.Id | Should -Be 'UnknownRecord'
        $failed[0].Exception.StreamOffset | Should -Be ($part.Offset + $part.Length)
        $failed[0].Exception.Message | Should -BeLike '*0x55*'
        $failed[0].TargetObject | Should -Be "$folder/damaged"
    }

    It 'says inside of what a file ends' {
        [System.IO.File]::WriteAllBytes("$folder/short", $bytes[0..200])
        $null = Read-MigrationStream "$folder/short" -ErrorVariable failed -ErrorAction SilentlyContinue
        $failed[0].Exception.Id | Should -Be 'UnexpectedEnd'
        $failed[0].Exception.Message | Should -BeLike '*section ram (PART, number 3), block ram*'
    }

    It 'refuses what is no stream' {
        [System.IO.File]::WriteAllText("$folder/text", 'something else')
        $stream = Read-MigrationStream "$folder/text" -ErrorVariable failed -ErrorAction SilentlyContinue
        $stream.Sections | Should -BeNullOrEmpty
        $failed[0].FullyQualifiedErrorId | Should -Be 'BadMagic,PsMigrate.Commands.ReadMigrationStreamCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'ProtocolError'
    }

    It 'takes a block out, all passes applied' {
        $out = Read-MigrationStream $file -Block ram -OutFile "$folder/ram.raw"
        $out | Should -BeOfType 'System.IO.FileInfo'
        $raw = [System.IO.File]::ReadAllBytes("$folder/ram.raw")
        $raw.Length | Should -Be 16384
        $raw[0], $raw[4096], $raw[8192], $raw[12287], $raw[12288] | Should -Be @(0, 0, 0x41, 0x41, 0)
    }

    It 'writes to the place of a file and nowhere else, for its owner alone' {
        foreach ($place in 'Env:ram', 'nosuchdrive:/ram', $folder, '/dev/null') {
            if ($place -eq '/dev/null' -and -not $IsLinux) { continue }
            $target = $place
            # Never the system's own: a name that leads to it is as good.
            if ($place -eq '/dev/null') {
                $target = "$folder/null"
                $null = [System.IO.File]::CreateSymbolicLink($target, $place)
            }
            $failed = $null
            Read-MigrationStream $file -Block ram -OutFile $target -Force -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'FileFailed,*'
        }
        $out = Read-MigrationStream $file -Block ram -OutFile "$folder/mine"
        if (-not $IsWindows) { $out.UnixFileMode | Should -Be ([System.IO.UnixFileMode] 'UserRead, UserWrite') }
    }

    It 'replaces a file only with -Force' {
        [System.IO.File]::WriteAllText("$folder/kept", 'kept')
        Read-MigrationStream $file -Block ram -OutFile "$folder/kept" -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].Exception.Id | Should -Be 'FileFailed'
        [System.IO.File]::ReadAllText("$folder/kept") | Should -Be 'kept'
        (Read-MigrationStream $file -Block ram -OutFile "$folder/kept" -Force).Length | Should -Be 16384
    }

    It 'writes nothing with -WhatIf, of a damaged stream, or of a block that is not there' {
        Read-MigrationStream $file -Block ram -OutFile "$folder/none" -WhatIf | Should -BeNullOrEmpty
        Read-MigrationStream $file -Block pc.ram -OutFile "$folder/none" -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].Exception.Id | Should -Be 'UnknownBlock'
        [System.IO.File]::WriteAllBytes("$folder/short", $bytes[0..5000])
        Read-MigrationStream "$folder/short" -Block ram -OutFile "$folder/none" -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed[0].Exception.Id | Should -Be 'UnexpectedEnd'
        [System.IO.Directory]::GetFiles($folder, 'none*') | Should -BeNullOrEmpty
    }

    It 'reads a return path' {
        [System.IO.File]::WriteAllBytes("$folder/back", [byte[]]@(0, 2, 0, 4, 0, 0, 0, 1, 0, 4, 0, 12, 0, 0, 0, 0, 0, 0, 0x30, 0, 0, 0, 0x10, 0, 0, 1, 0, 4, 0, 0, 0, 0, 0, 9))
        $messages = Read-MigrationStream -ReturnPath "$folder/back" -ErrorVariable failed -ErrorAction SilentlyContinue
        $messages.Type | Should -Be @('Pong', 'RequestPages', 'Shut')
        $messages[1].Range.Start, $messages[1].Range.Length | Should -Be @(0x3000, 0x1000)
        $messages.Detail | Should -Be @('1', '4096 bytes at 0x3000', 'ended well')
        $failed[0].Exception.Id | Should -Be 'UnexpectedEnd'
    }

    It 'ends early when the pipeline does' {
        $seen = 0
        foreach ($once in 1) {
            Read-MigrationStream $file, "$folder/two*", $file | ForEach-Object { $seen++; break }
        }
        $seen | Should -Be 1
    }

    It 'completes blocks and devices' {
        foreach ($line in "Read-MigrationStream $file -Block r", "Read-MigrationStream $file -Device c") {
            $found = [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches
            $found.CompletionText | Should -BeIn 'ram', 'clock'
        }
    }
}

Describe 'Read-MigrationStream and a large file' {
    It 'stops when Ctrl+C is pressed' {
        # Endless small records: pages of zeros, in one part.
        $head = $bytes[0..((Read-MigrationStream $file).Sections[1].Offset + 4)]
        $record = [byte[]]@(0, 0, 0, 0, 0, 0, 0, 2, 3, 0x72, 0x61, 0x6d, 0)
        $large = [System.IO.File]::Create("$folder/large")
        $large.Write($head, 0, $head.Length)
        $piece = $record * 100000
        foreach ($i in 1..300) { $large.Write($piece, 0, $piece.Length) }
        $large.Dispose()
        $marker = "$folder/started"
        $output = Invoke-WithStop {
            param($file, $marker)
            [System.IO.File]::WriteAllText($marker, '')
            Read-MigrationStream $file -ErrorAction SilentlyContinue
            'went on'
        } -ArgumentList "$folder/large", $marker -Until {
            # Linux tells when the file is open; elsewhere the reading may be about to begin.
            if (-not $IsLinux) { return [System.IO.File]::Exists($marker) }
            foreach ($open in [System.IO.Directory]::GetFiles('/proc/self/fd')) {
                if ([System.IO.FileInfo]::new($open).LinkTarget -eq "$folder/large") { return $true }
            }
            $false
        }
        $output | Should -BeNullOrEmpty
    }
}
