/* SPDX-License-Identifier: Apache-2.0
 * entry.S - the outermost frame of a goroutine (x86_64 System V).
 *   rbp = function, rdi = its argument, rsp 16-aligned. The function never returns.
 * The return address is undefined in the CFI, which is how unwinders know that the stack ends. */
        .text
        .globl  arch_entry
        .hidden arch_entry
        .type   arch_entry, @function
        .balign 16
arch_entry:
        .cfi_startproc
        .cfi_undefined rip
#if defined(__CET__) && (__CET__ & 1)
        endbr64
#endif
        movq    %rbp, %rax
        xorl    %ebp, %ebp
        call    *%rax
        ud2
        .cfi_endproc
        .size   arch_entry, . - arch_entry
        .section .note.GNU-stack, "", @progbits
