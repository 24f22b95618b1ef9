/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The switch for x86-64 with the System V convention. A suspended context is
 * 64 bytes, on a multiple of 16:
 *
 *    0  mxcsr     8  r12    24  r14    40  rbx    56  where it goes on
 *    4  x87 cw   16  r13    32  r15    48  rbp
 *
 * It goes on by a jump, not by a return: what the processor remembers of our
 * calls is of the other stack, and a return would be foretold wrongly each
 * time. The jump has no endbr64 to land on, hence the notrack. Storing the
 * control words is cheap, loading them is not; so they are compared, and
 * loaded only where two contexts differ. The flags in mxcsr are nobody's.
 */

#if defined(__x86_64__) && !defined(__ILP32__) && \
    !defined(TENON_CONTEXT_UCONTEXT)

    .text
    .p2align 4
    .globl tenon__context_jump
    .hidden tenon__context_jump
    .type tenon__context_jump, @function
tenon__context_jump:
    .cfi_startproc
    endbr64
    leaq -56(%rsp), %rsp
    .cfi_def_cfa_offset 64
    movq %r12, 8(%rsp)
    .cfi_rel_offset %r12, 8
    movq %r13, 16(%rsp)
    .cfi_rel_offset %r13, 16
    movq %r14, 24(%rsp)
    .cfi_rel_offset %r14, 24
    movq %r15, 32(%rsp)
    .cfi_rel_offset %r15, 32
    movq %rbx, 40(%rsp)
    .cfi_rel_offset %rbx, 40
    movq %rbp, 48(%rsp)
    .cfi_rel_offset %rbp, 48
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movl (%rsp), %eax
    movzwl 4(%rsp), %edx
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    .globl tenon__context_parked
    .hidden tenon__context_parked
tenon__context_parked:
    xorl (%rsp), %eax
    xorw 4(%rsp), %dx
    andl $0xffc0, %eax
    orl %edx, %eax
    jne 2f
1:
    movq 8(%rsp), %r12
    movq 16(%rsp), %r13
    movq 24(%rsp), %r14
    movq 32(%rsp), %r15
    movq 40(%rsp), %rbx
    movq 48(%rsp), %rbp
    movq 56(%rsp), %rcx
    .cfi_remember_state
    .cfi_restore %r12
    .cfi_restore %r13
    .cfi_restore %r14
    .cfi_restore %r15
    .cfi_restore %rbx
    .cfi_restore %rbp
    .cfi_register %rip, %rcx
    leaq 64(%rsp), %rsp
    .cfi_def_cfa_offset 0
    notrack jmp *%rcx
2:
    .cfi_restore_state
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    jmp 1b
    .cfi_endproc
    .size tenon__context_jump, .-tenon__context_jump

/* base, top, entry, arg: what is jumped to. */
    .p2align 4
    .globl tenon__context_lay
    .hidden tenon__context_lay
    .type tenon__context_lay, @function
tenon__context_lay:
    .cfi_startproc
    endbr64
    andq $-16, %rsi
    leaq -64(%rsi), %rax
    leaq first(%rip), %r8
    stmxcsr (%rax)
    fnstcw 4(%rax)
    movq %rcx, 8(%rax)
    movq %rdx, 40(%rax)
    movq $0, 48(%rax)
    movq %r8, 56(%rax)
    ret
    .cfi_endproc
    .size tenon__context_lay, .-tenon__context_lay

/* The bottom of every stack: nothing is above it. The nop is of this function,
 * for those who look up where a return address less one is. */
    .p2align 4
    .cfi_startproc
    .cfi_undefined %rip
    nop
    .type first, @function
first:
    movq %r12, %rdi
    callq *%rbx
    ud2
    .cfi_endproc
    .size first, .-first

/* Ready for indirect branch tracking, not for shadow stacks. */
    .section .note.gnu.property, "a", @note
    .p2align 3
    .long 4
    .long 16
    .long 5
    .asciz "GNU"
    .long 0xc0000002
    .long 4
    .long 1
    .long 0
#endif
    .section .note.GNU-stack, "", %progbits
