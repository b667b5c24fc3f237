# A boot sector that dirties memory for ever, in a way that can be checked. For QEMU's -M pc and -M q35 under TCG.
#
#   as --32 -o walker.o walker.s && objcopy -O binary -j .text walker.o walker.bin
#
# It fills the working set with a pseudo-random sequence, then walks it: the first dword of each 4 KiB page is incremented in
# turn, and after each the counter. So when the counter is N, page i of P holds N/P, plus one if i < N mod P. The page at N mod P may
# be one further: the guest can stop between a page and its count.
#
# Each word is written twice, and its TLB entry flushed before either. QEMU's TCG marks a page as dirty before it writes the word.
# If dirty logging fetches the mark between the two, the migration sends the old word, and if the TLB entry then says
# "is dirty" it hears of no later write either. The second write stores the same value and so marks the page after the first is done.
# With plain increments each migration of several passes from QEMU 7.2 loses some; 10.0 has not been seen to.
#
# Progress goes to port 0xe9 (-debugcon): B at the start, W when the walk begins, and a dot each 65536 pages.

        .set    ORIGIN, 0x7c00          # where the BIOS loads a boot sector
        .set    STATE, 0x8000           # a page of its own: magic, dword 0, counter (64 bits)
        .set    MAGIC, 0x474d5350       # "PSMG", from when the counter counts
        .set    COUNTER, 8              # in the state

        .text
        .code16
sector:
        cli
        cld
        movb    $'B', %al
        outb    %al, $0xe9
        inb     $0x92, %al              # A20 on, no reset
        orb     $2, %al
        andb    $0xfe, %al
        outb    %al, $0x92
        xorw    %ax, %ax
        movw    %ax, %ds
        lgdtl   ORIGIN + (gdt_pointer - sector)
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $8, $(ORIGIN + (flat - sector))

        .code32
flat:
        movw    $16, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss

        movl    $STATE, %ebx            # not valid yet; a reset keeps RAM
        xorl    %eax, %eax
        movl    %eax, (%ebx)
        movl    %eax, 4(%ebx)
        movl    %eax, COUNTER(%ebx)
        movl    %eax, COUNTER+4(%ebx)

        movl    ORIGIN + (first - sector), %edi
        movl    ORIGIN + (pages - sector), %ecx
        shll    $10, %ecx
        movl    ORIGIN + (seed - sector), %eax
fill:                                   # xorshift32 (13, 17, 5): the seed 0 gives zeros
        movl    %eax, %edx
        shll    $13, %edx
        xorl    %edx, %eax
        movl    %eax, %edx
        shrl    $17, %edx
        xorl    %edx, %eax
        movl    %eax, %edx
        shll    $5, %edx
        xorl    %edx, %eax
        stosl
        decl    %ecx
        jnz     fill

        movl    ORIGIN + (first - sector), %edi
        movl    ORIGIN + (pages - sector), %ecx
clear:
        movl    $0, (%edi)
        addl    $4096, %edi
        decl    %ecx
        jnz     clear

        movl    $MAGIC, (%ebx)
        movb    $'W', %al
        outb    %al, $0xe9

walk:
        movl    ORIGIN + (first - sector), %edi
        movl    ORIGIN + (pages - sector), %ecx
page:
        invlpg  (%edi)
        incl    (%edi)
        invlpg  (%edi)
        orl     $0, (%edi)

        invlpg  (%ebx)
        addl    $1, COUNTER(%ebx)
        adcl    $0, COUNTER+4(%ebx)
        invlpg  (%ebx)
        orl     $0, COUNTER(%ebx)

        cmpw    $0, COUNTER(%ebx)
        jne     quiet
        movb    $'.', %al
        outb    %al, $0xe9
quiet:
        movl    ORIGIN + (delay - sector), %eax
        testl   %eax, %eax
        jz      next
pause:
        decl    %eax
        jnz     pause
next:
        addl    $4096, %edi
        decl    %ecx
        jnz     page
        jmp     walk

gdt:
        .quad   0
        .quad   0x00cf9a000000ffff      # code: flat, 4 GiB, ring 0
        .quad   0x00cf92000000ffff      # data: the same
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   ORIGIN + (gdt - sector)

        # Parameters, overwritten by whoever starts the guest.
        .org    0x1e0
first:  .long   0x00100000              # physical address of the first page
pages:  .long   4096                    # pages in the working set, at least 1
delay:  .long   0                       # turns of an empty loop after each page
seed:   .long   0                       # of the sequence that fills the working set

        .org    0x1fe
        .word   0xaa55
