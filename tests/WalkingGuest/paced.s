# A boot sector that dirties memory at a rate, for measurements. For QEMU's -M pc under TCG.
#
#   as --32 -o paced.o paced.s && objcopy -O binary -j .text paced.o paced.bin
#
# Like walker.s it increments the first dword of each page of its working set in turn and counts that, but sleeps in between: a timer
# wakes it a thousand times a second, and it does as many pages as are due by the clock of the power management. That clock and the
# timer stand while QEMU has the machine stopped. What lies further back than 20 ms is given up, so that no burst follows a stall.
#
# The first round is done at once: when the sleep begins each page is at 1, so that none is zero. The other bytes of the pages stay as
# they are after a reset, zero.
#
# Each word is written twice, with its TLB entry flushed before either; walker.s says why.
#
# Progress goes to port 0xe9 (-debugcon): W when the first round is done, then a dot at each waking, at the end of its work. The longest
# time between two dots is how long the guest was not there.

        .set    ORIGIN, 0x7c00          # where the BIOS loads a boot sector
        .set    STATE, 0x8000           # a page of its own: magic, dword 0, counter (64 bits)
        .set    MAGIC, 0x474d5350       # "PSMG", from when the counter counts
        .set    COUNTER, 8              # in the state
        .set    LAST, 16                # the clock at the last waking
        .set    REST, 20                # of the division
        .set    GATE, 8                 # the BIOS leaves the timer's interrupt there

        .set    CLOCK, 0x608            # of the power management, where SeaBIOS puts it on -M pc: 24 bits
        .set    CLOCK_HZ, 3579545
        .set    MOST, CLOCK_HZ / 50     # 20 ms
        .set    TIMER_DIVISOR, 1193     # of 1193182 Hz: about a thousand times a second

        .text
        .code16
sector:
        cli
        cld
        inb     $0x92, %al              # A20 on, no reset
        orb     $2, %al
        andb    $0xfe, %al
        outb    %al, $0x92
        xorw    %ax, %ax
        movw    %ax, %ds
        lgdtl   ORIGIN + (gdt_pointer - sector)
        lidtl   ORIGIN + (idt_pointer - sector)
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
        movl    $0x7000, %esp

        movl    $STATE, %ebx            # not valid yet; a reset keeps RAM
        movl    %ebx, %edi
        xorl    %eax, %eax
        movl    $8, %ecx
        rep stosl

        movl    ORIGIN + (first - sector), %edi
        movl    ORIGIN + (pages - sector), %ecx
        movl    %ecx, COUNTER(%ebx)
fill:
        movl    $1, (%edi)
        addl    $4096, %edi
        decl    %ecx
        jnz     fill
        movl    $MAGIC, (%ebx)

        movb    $0xfe, %al              # no interrupt but the timer's
        outb    %al, $0x21
        movb    $0xff, %al
        outb    %al, $0xa1
        movb    $0x34, %al              # channel 0, two bytes, rate generator
        outb    %al, $0x43
        movb    $(TIMER_DIVISOR & 0xff), %al
        outb    %al, $0x40
        movb    $(TIMER_DIVISOR >> 8), %al
        outb    %al, $0x40

        movl    $CLOCK, %edx
        inl     %dx, %eax
        movl    %eax, LAST(%ebx)
        movb    $'W', %al
        outb    %al, $0xe9

        movl    ORIGIN + (first - sector), %edi
        movl    ORIGIN + (pages - sector), %esi   # left in this round
sleep:
        sti
        hlt
        cli

        movl    $CLOCK, %edx
        inl     %dx, %eax
        movl    %eax, %ecx
        xchgl   %ecx, LAST(%ebx)
        subl    %ecx, %eax
        andl    $0xffffff, %eax
        cmpl    $MOST, %eax
        jbe     due
        movl    $MOST, %eax
due:
        mull    ORIGIN + (rate - sector)          # pages due = (clock × rate + rest) / CLOCK_HZ
        addl    REST(%ebx), %eax
        adcl    $0, %edx
        movl    $CLOCK_HZ, %ecx
        divl    %ecx
        movl    %edx, REST(%ebx)
        movl    %eax, %ecx
        jecxz   done
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

        addl    $4096, %edi
        decl    %esi
        jnz     next
        movl    ORIGIN + (first - sector), %edi
        movl    ORIGIN + (pages - sector), %esi
next:
        decl    %ecx
        jnz     page
done:
        movb    $'.', %al
        outb    %al, $0xe9
        jmp     sleep

timer:
        pushl   %eax
        movb    $0x20, %al              # end of interrupt
        outb    %al, $0x20
        popl    %eax
        iret

gdt:
        .quad   0
        .quad   0x00cf9a000000ffff      # code: flat, 4 GiB, ring 0
        .quad   0x00cf92000000ffff      # data: the same
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   ORIGIN + (gdt - sector)

gate:                                   # the only one that is used; those before it are never looked at
        .word   ORIGIN + (timer - sector)
        .word   8
        .word   0x8e00                  # interrupt gate, 32 bits, present
        .word   0
idt_pointer:
        .word   GATE * 8 + 7
        .long   ORIGIN + (gate - sector) - GATE * 8

        # Parameters, overwritten by whoever starts the guest.
        .org    0x1e0
first:  .long   0x00100000              # physical address of the first page
pages:  .long   4096                    # pages in the working set, at least 1
rate:   .long   10000                   # pages a second, below 4 billion divided by 50: what is due must fit a dword

        .org    0x1fe
        .word   0xaa55
