/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Atomic operations: sizes, registers, and memory that allows them. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

SEC("socket") __success __retval(3)
__naked int on_the_stack(void)
{
	asm volatile("r1 = 1; *(u64 *)(r10 - 8) = r1; r1 = 2; lock *(u64 *)(r10 - 8) += r1;"
		     "r0 = *(u64 *)(r10 - 8); exit;");
}

SEC("socket") __success __retval(1)
__naked int fetched(void)
{
	asm volatile("r1 = 1; *(u64 *)(r10 - 8) = r1; r0 = 2; r0 = atomic_fetch_add((u64 *)(r10 - 8), r0); exit;");
}

SEC("socket") __failure __msg("R2 !read_ok")
__naked int operand_never_set(void)
{
	asm volatile("r1 = 1; *(u64 *)(r10 - 8) = r1; lock *(u64 *)(r10 - 8) += r2; r0 = 0; exit;");
}

SEC("socket") __failure __msg("BPF_ATOMIC stores into R1 ctx is not allowed")
__naked int on_the_context(void)
{
	asm volatile("r2 = 1; lock *(u32 *)(r1 + 8) += r2; r0 = 0; exit;");
}

SEC("socket") __failure __msg("R0 !read_ok")
__naked int comparison_without_r0(void)
{
	asm volatile("r1 = 1; *(u64 *)(r10 - 8) = r1; r0 = cmpxchg_64(r10 - 8, r0, r1); exit;");
}

SEC("socket") __failure __msg("BPF_ATOMIC uses invalid atomic opcode 22")
__naked int operation_that_does_not_exist(void)
{
	asm volatile("r1 = 1; *(u64 *)(r10 - 8) = r1; .8byte 0x00000022fff81adb; r0 = 0; exit;");
}

LICENSE("GPL");
