/* SPDX-License-Identifier: Apache-2.0
 * entry.S - the outermost frame of a goroutine (aarch64).
 *   x29 = function, x0 = its argument, sp 16-aligned. The function never returns.
 * It is branched to, with a return address set by hand: a call that never returns would put the
 * processor's return predictions off by one for whatever runs next.
 * The return address is undefined in the CFI, which is how unwinders know that the stack ends; an exception that comes so
 * far is arch_personality's. */
        .text
        .globl  arch_entry
        .hidden arch_entry
        .type   arch_entry, %function
        .balign 16
arch_entry:
        .cfi_startproc
        .cfi_personality 0x1b, arch_personality
        .cfi_undefined x30
#ifdef __ARM_FEATURE_BTI_DEFAULT
        hint    #36
#endif
        mov     x16, x29
        mov     x29, xzr
        adr     x30, 1f
        br      x16
1:      brk     #1
        .cfi_endproc
        .size   arch_entry, . - arch_entry

/* void *arch_call_on(x0 = back, x1 = sp or 0, x2 = fn, x3 = arg). All registers that a callee preserves lie above x29,
 * for who comes back by a jump: he needs x29, and has the result in x0. An exception stops here. */
        .globl  arch_call_on
        .hidden arch_call_on
        .type   arch_call_on, %function
        .balign 16
arch_call_on:
        .cfi_startproc
        .cfi_personality 0x1b, arch_personality
#ifdef __ARM_FEATURE_PAC_DEFAULT
        hint    #25                     /* paciasp, a landing pad too */
        .cfi_negate_ra_state
#elif defined(__ARM_FEATURE_BTI_DEFAULT)
        hint    #34                     /* bti c */
#endif
        stp     x29, x30, [sp, #-160]!
        .cfi_def_cfa_offset 160
        .cfi_offset x29, -160
        .cfi_offset x30, -152
        mov     x29, sp
        .cfi_def_cfa_register x29
        stp     x19, x20, [x29, #16]
        .cfi_offset x19, -144
        .cfi_offset x20, -136
        stp     x21, x22, [x29, #32]
        .cfi_offset x21, -128
        .cfi_offset x22, -120
        stp     x23, x24, [x29, #48]
        .cfi_offset x23, -112
        .cfi_offset x24, -104
        stp     x25, x26, [x29, #64]
        .cfi_offset x25, -96
        .cfi_offset x26, -88
        stp     x27, x28, [x29, #80]
        .cfi_offset x27, -80
        .cfi_offset x28, -72
        stp     d8, d9, [x29, #96]
        .cfi_offset d8, -64
        .cfi_offset d9, -56
        stp     d10, d11, [x29, #112]
        .cfi_offset d10, -48
        .cfi_offset d11, -40
        stp     d12, d13, [x29, #128]
        .cfi_offset d12, -32
        .cfi_offset d13, -24
        stp     d14, d15, [x29, #144]
        .cfi_offset d14, -16
        .cfi_offset d15, -8
        adr     x16, 1f
        stp     x29, x16, [x0]
        str     x29, [x0, #16]
        mov     x17, sp
        cmp     x1, #0
        csel    x1, x17, x1, eq
        and     sp, x1, #-16
        mov     x0, x3
        blr     x2
        b       2f
1:
#ifdef __ARM_FEATURE_BTI_DEFAULT
        hint    #36                     /* bti j */
#endif
        ldp     x19, x20, [x29, #16]
        ldp     x21, x22, [x29, #32]
        ldp     x23, x24, [x29, #48]
        ldp     x25, x26, [x29, #64]
        ldp     x27, x28, [x29, #80]
        ldp     d8, d9, [x29, #96]
        ldp     d10, d11, [x29, #112]
        ldp     d12, d13, [x29, #128]
        ldp     d14, d15, [x29, #144]
2:      mov     sp, x29
        .cfi_def_cfa_register sp
        ldp     x29, x30, [sp], #160
        .cfi_restore x29
        .cfi_restore x30
        .cfi_def_cfa_offset 0
#ifdef __ARM_FEATURE_PAC_DEFAULT
        hint    #29                     /* autiasp */
        .cfi_negate_ra_state
#endif
        ret
        .cfi_endproc
        .size   arch_call_on, . - arch_call_on

/* void arch_call_within(x0 = context, x1 = fn, x2 = arg): to unwinders the caller of this frame is the flow of
 * control that stopped at the context: its sp is the CFA, its pc the return address. In the expressions 0x83 is
 * what x19 and an offset make, 6 what lies there. */
        .globl  arch_call_within
        .hidden arch_call_within
        .type   arch_call_within, %function
        .balign 16
arch_call_within:
        .cfi_startproc
        .cfi_signal_frame
#ifdef __ARM_FEATURE_PAC_DEFAULT
        hint    #25                     /* paciasp, a landing pad too */
#elif defined(__ARM_FEATURE_BTI_DEFAULT)
        hint    #34                     /* bti c */
#endif
        stp     x29, x30, [sp, #-32]!
        .cfi_def_cfa_offset 32
        str     x19, [sp, #16]
        mov     x19, x0
        .cfi_remember_state
        .cfi_escape 0x0f, 3, 0x83, 0, 6         /* CFA: what lies at x19 */
        .cfi_escape 0x10, 30, 2, 0x83, 8        /* return address: at x19 + 8 */
        .cfi_escape 0x10, 29, 2, 0x83, 16       /* x29: at x19 + 16 */
        .cfi_undefined x19
        mov     x0, x2
        blr     x1
        .cfi_restore_state
        ldr     x19, [sp, #16]
        ldp     x29, x30, [sp], #32
        .cfi_def_cfa_offset 0
#ifdef __ARM_FEATURE_PAC_DEFAULT
        hint    #29                     /* autiasp */
#endif
        ret
        .cfi_endproc
        .size   arch_call_within, . - arch_call_within

#ifdef __ARM_FEATURE_BTI_DEFAULT
/* This file, too, has a pad wherever it is branched to, and signs what it stores. Without
 * this note the linker would take the whole library for one that lacks them. */
        .section .note.gnu.property, "a"
        .balign 8
        .word   4, 16, 5                /* sizes of name and contents; NT_GNU_PROPERTY_TYPE_0 */
        .asciz  "GNU"
        .word   0xc0000000, 4           /* GNU_PROPERTY_AARCH64_FEATURE_1_AND, size */
        .word   3, 0                    /* BTI and PAC; padding */
#endif
        .section .note.GNU-stack, "", %progbits
