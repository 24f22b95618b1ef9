/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The switch for 64-bit ARM with its standard convention. A suspended context
 * is 176 bytes, on a multiple of 16:
 *
 *    0  x19   32  x23   64  x27    96  d8   128  d12   160  fpcr
 *    8  x20   40  x24   72  x28   104  d9   136  d13
 *   16  x21   48  x25   80  x29   112  d10  144  d14
 *   24  x22   56  x26   88  x30   120  d11  152  d15
 *
 * It goes on at x30 by a return, the only jump that may land anywhere where
 * branch targets are enforced. fpcr is read cheaply and written dearly; so it
 * is compared, and written only where two contexts differ.
 */

#if defined(__aarch64__) && !defined(__ILP32__) && !defined(__AARCH64EB__) && \
    !defined(TENON_CONTEXT_UCONTEXT)

    .text
    .p2align 4
    .globl tenon__context_jump
    .hidden tenon__context_jump
    .type tenon__context_jump, %function
tenon__context_jump:
    .cfi_startproc
    hint #34                    /* bti c */
    sub sp, sp, #176
    .cfi_def_cfa_offset 176
    stp x19, x20, [sp]
    .cfi_rel_offset x19, 0
    .cfi_rel_offset x20, 8
    stp x21, x22, [sp, #16]
    .cfi_rel_offset x21, 16
    .cfi_rel_offset x22, 24
    stp x23, x24, [sp, #32]
    .cfi_rel_offset x23, 32
    .cfi_rel_offset x24, 40
    stp x25, x26, [sp, #48]
    .cfi_rel_offset x25, 48
    .cfi_rel_offset x26, 56
    stp x27, x28, [sp, #64]
    .cfi_rel_offset x27, 64
    .cfi_rel_offset x28, 72
    stp x29, x30, [sp, #80]
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    stp d8, d9, [sp, #96]
    .cfi_rel_offset d8, 96
    .cfi_rel_offset d9, 104
    stp d10, d11, [sp, #112]
    .cfi_rel_offset d10, 112
    .cfi_rel_offset d11, 120
    stp d12, d13, [sp, #128]
    .cfi_rel_offset d12, 128
    .cfi_rel_offset d13, 136
    stp d14, d15, [sp, #144]
    .cfi_rel_offset d14, 144
    .cfi_rel_offset d15, 152
    mrs x9, fpcr
    str x9, [sp, #160]
    mov x10, sp
    str x10, [x0]
    mov sp, x1
    .globl tenon__context_parked
    .hidden tenon__context_parked
tenon__context_parked:
    ldr x11, [sp, #160]
    cmp x9, x11
    b.ne 2f
1:
    ldp x19, x20, [sp]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #176
    .cfi_remember_state
    .cfi_def_cfa_offset 0
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore x29
    .cfi_restore x30
    .cfi_restore d8
    .cfi_restore d9
    .cfi_restore d10
    .cfi_restore d11
    .cfi_restore d12
    .cfi_restore d13
    .cfi_restore d14
    .cfi_restore d15
    ret
2:
    .cfi_restore_state
    msr fpcr, x11
    b 1b
    .cfi_endproc
    .size tenon__context_jump, .-tenon__context_jump

/* base, top, entry, arg: what is jumped to. */
    .p2align 4
    .globl tenon__context_lay
    .hidden tenon__context_lay
    .type tenon__context_lay, %function
tenon__context_lay:
    .cfi_startproc
    hint #34
    and x1, x1, #-16
    sub x0, x1, #176
    stp x2, x3, [x0]
    adr x9, first
    stp xzr, x9, [x0, #80]
    mrs x9, fpcr
    str x9, [x0, #160]
    ret
    .cfi_endproc
    .size tenon__context_lay, .-tenon__context_lay

/* The bottom of every stack: nothing is above it. The nop is of this function,
 * for those who look up where a return address less one is. */
    .p2align 4
    .cfi_startproc
    .cfi_undefined x30
    nop
    .type first, %function
first:
    mov x0, x20
    blr x19
    brk #1
    .cfi_endproc
    .size first, .-first

/* Ready for branch target identification. */
    .section .note.gnu.property, "a", %note
    .p2align 3
    .long 4
    .long 16
    .long 5
    .asciz "GNU"
    .long 0xc0000000
    .long 4
    .long 1
    .long 0
#endif
    .section .note.GNU-stack, "", %progbits
