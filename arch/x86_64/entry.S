/* SPDX-License-Identifier: Apache-2.0
 * entry.S - the outermost frame of a goroutine (x86_64 System V).
 *   rbp = function, rdi = its argument, rsp 16-aligned. The function never returns.
 * It is jumped to, with a return address pushed by hand: a call that never returns would put the
 * processor's return predictions off by one for whatever runs next (6 ns a return, measured).
 * The return address is undefined in the CFI, which is how unwinders know that the stack ends; an exception that comes so
 * far is arch_personality's. */
        .text
        .globl  arch_entry
        .hidden arch_entry
        .type   arch_entry, @function
        .balign 16
arch_entry:
        .cfi_startproc
        .cfi_personality 0x1b, arch_personality
        .cfi_undefined rip
#if defined(__CET__) && (__CET__ & 1)
        endbr64
#endif
        movq    %rbp, %rax
        xorl    %ebp, %ebp
        leaq    1f(%rip), %rcx
        pushq   %rcx
        .cfi_adjust_cfa_offset 8
        jmp     *%rax
        .cfi_adjust_cfa_offset -8
1:      ud2
        .cfi_endproc
        .size   arch_entry, . - arch_entry

/* What functions that are ARCH_RETURNS_ELSEWHERE end with; the name is the compilers'. */
        .weak   __x86_return_thunk
        .hidden __x86_return_thunk
        .type   __x86_return_thunk, @function
        .balign 16
__x86_return_thunk:
        .cfi_startproc
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register rip, rcx
        notrack jmp *%rcx
        .cfi_endproc
        .size   __x86_return_thunk, . - __x86_return_thunk

/* void *arch_call_on(rdi = back, rsi = sp or 0, rdx = fn, rcx = arg). All registers that a callee preserves lie below
 * rbp, for who comes back by a jump: he needs rbp, and has the result in rdi. An exception stops here. */
        .globl  arch_call_on
        .hidden arch_call_on
        .type   arch_call_on, @function
        .balign 16
arch_call_on:
        .cfi_startproc
        .cfi_personality 0x1b, arch_personality
#if defined(__CET__) && (__CET__ & 1)
        endbr64
#endif
        pushq   %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset rbp, -16
        movq    %rsp, %rbp
        .cfi_def_cfa_register rbp
        pushq   %rbx
        .cfi_offset rbx, -24
        pushq   %r12
        .cfi_offset r12, -32
        pushq   %r13
        .cfi_offset r13, -40
        pushq   %r14
        .cfi_offset r14, -48
        pushq   %r15
        .cfi_offset r15, -56
        subq    $8, %rsp
        leaq    1f(%rip), %rax
        movq    %rsp, 0(%rdi)
        movq    %rax, 8(%rdi)
        movq    %rbp, 16(%rdi)
        andq    $-16, %rsi
        cmovneq %rsi, %rsp
        movq    %rcx, %rdi
        call    *%rdx
        .cfi_remember_state
        leave
        .cfi_def_cfa rsp, 8
        ret
        .cfi_restore_state
1:
#if defined(__CET__) && (__CET__ & 1)
        endbr64
#endif
        movq    -8(%rbp), %rbx
        movq    -16(%rbp), %r12
        movq    -24(%rbp), %r13
        movq    -32(%rbp), %r14
        movq    -40(%rbp), %r15
        movq    %rdi, %rax
        leave
        .cfi_def_cfa rsp, 8
        ret
        .cfi_endproc
        .size   arch_call_on, . - arch_call_on

/* void arch_call_within(rdi = context, rsi = fn, rdx = arg): to unwinders the caller of this frame is the flow
 * of control that stopped at the context: its sp is the CFA, its pc the return address. In the expressions 0x73
 * is what rbx and an offset make, 6 what lies there. */
        .globl  arch_call_within
        .hidden arch_call_within
        .type   arch_call_within, @function
        .balign 16
arch_call_within:
        .cfi_startproc
        .cfi_signal_frame
#if defined(__CET__) && (__CET__ & 1)
        endbr64
#endif
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        movq    %rdi, %rbx
        .cfi_remember_state
        .cfi_escape 0x0f, 3, 0x73, 0, 6         /* CFA: what lies at rbx */
        .cfi_escape 0x10, 16, 2, 0x73, 8        /* return address: at rbx + 8 */
        .cfi_escape 0x10, 6, 2, 0x73, 16        /* rbp: at rbx + 16 */
        .cfi_undefined rbx
        movq    %rdx, %rdi
        call    *%rsi
        .cfi_restore_state
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        ret
        .cfi_endproc
        .size   arch_call_within, . - arch_call_within
        .section .note.GNU-stack, "", @progbits
