/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The stack: what was written can be read, spilled registers come back. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

SEC("socket") __success __retval(7)
__naked int written_then_read(void)
{
	asm volatile("r1 = 7; *(u64 *)(r10 - 8) = r1; r0 = *(u64 *)(r10 - 8); exit;");
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("invalid read from stack R10 off -8+0 size 8")
__naked int never_written(void)
{
	asm volatile("r0 = *(u64 *)(r10 - 8); r0 = 0; exit;");
}

SEC("socket") __failure __msg("invalid write to stack R10 off=-520 size=8")
__naked int too_deep(void)
{
	asm volatile("r1 = 0; *(u64 *)(r10 - 520) = r1; r0 = 0; exit;");
}

SEC("socket") __failure __msg("invalid write to stack R10 off=0 size=8")
__naked int above_the_frame(void)
{
	asm volatile("r1 = 0; *(u64 *)(r10 + 0) = r1; r0 = 0; exit;");
}

SEC("socket") __failure __msg("misaligned stack access off")
__naked int not_aligned(void)
{
	asm volatile("r1 = 0; *(u64 *)(r10 - 12) = r1; r0 = 0; exit;");
}

SEC("socket") __success
__naked int spilled_pointer_comes_back(void)
{
	asm volatile("*(u64 *)(r10 - 8) = r1; r2 = *(u64 *)(r10 - 8); r0 = *(u32 *)(r2 + 0); r0 = 0; exit;");
}

SEC("socket") __failure __msg("invalid size of register fill")
__naked int half_a_pointer(void)
{
	asm volatile("*(u64 *)(r10 - 8) = r1; r0 = *(u32 *)(r10 - 8); exit;");
}

SEC("socket") __failure __msg("R2 invalid mem access 'scalar'")
__naked int overwritten_pointer(void)
{
	asm volatile("*(u64 *)(r10 - 8) = r1; r3 = 1; *(u8 *)(r10 - 4) = r3; r2 = *(u64 *)(r10 - 8);"
		     "r0 = *(u32 *)(r2 + 0); exit;");
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("R10 partial copy of pointer")
__naked int pointer_in_32_bits(void)
{
	asm volatile("w2 = w10; r0 = 0; exit;");
}

LICENSE("GPL");
