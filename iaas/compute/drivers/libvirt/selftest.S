# The boot sector of selftest.py.  Firmware runs even on hosts whose KVM cannot run a kernel, so this does what
# kernels do: long mode, many instructions in a row, cmpxchg16b; then it speaks on COM1 and idles.
#
#   as --64 -o s.o selftest.S && ld -m elf_x86_64 -Ttext 0x7c00 --oformat binary -e 0x7c00 -o s.bin s.o

    .code16
start:
    cli
    xor   %ax, %ax
    mov   %ax, %ds
    mov   %ax, %es
    mov   %ax, %ss
    mov   $0x7c00, %sp
    cld
    mov   $0x1000, %di              # three zeroed page tables at 0x1000
    mov   $0x1800, %cx
    rep stosw
    movw  $0x2003, 0x1000
    movw  $0x3003, 0x2000
    movw  $0x0083, 0x3000           # one page of 2 MiB, mapped to itself
    mov   %cr4, %eax
    or    $0x20, %eax
    mov   %eax, %cr4
    mov   $0x1000, %eax
    mov   %eax, %cr3
    mov   $0xc0000080, %ecx         # EFER.LME
    rdmsr
    or    $0x100, %eax
    wrmsr
    lgdtl gdtr
    mov   %cr0, %eax
    or    $0x80000001, %eax
    mov   %eax, %cr0
    ljmp  $0x08, $long
    .code64
long:
    mov   $20000000, %ecx           # 10 ms on a processor, minutes where each step is emulated
spin:
    dec   %ecx
    jnz   spin
    mov   $0x5000, %edi
    lock cmpxchg16b (%rdi)          # what kernels use and a broken KVM dies of
    mov   $marker, %esi
next:
    lodsb
    test  %al, %al
    jz    idle
    mov   %al, %bl
    mov   $0x3fd, %dx
wait:
    in    (%dx), %al
    test  $0x20, %al
    jz    wait
    mov   $0x3f8, %dx
    mov   %bl, %al
    out   %al, (%dx)
    jmp   next
idle:
    hlt
    jmp   idle
    .balign 4
gdtr:
    .word 15
    .long gdt
    .balign 8
gdt:
    .quad 0
    .quad 0x00209a0000000000
marker:
    .asciz "IAAS-SELFTEST-OK\r\n"
    .org 510
    .word 0xaa55
