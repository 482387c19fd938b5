/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The stack: what was written can be read, spilled registers come back. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

MAP(values, 2, int, char[8], 1, 0);

SEC("socket") __success __retval(7)
__naked int written_then_read(void)
{
	asm volatile("r1 = 7; *(u64 *)(r10 - 8) = r1; r0 = *(u64 *)(r10 - 8); exit;");
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("invalid read from stack R10 off=-8 size=8")
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

SEC("socket") __success __retval(258)
__naked int low_half_comes_back(void)
{
	asm volatile("r1 = 258; *(u64 *)(r10 - 8) = r1; r0 = *(u32 *)(r10 - 8); exit;");
}

SEC("socket") __failure __msg("invalid access to map value")
__naked int high_half_does_not(void)
{
	asm volatile("call 7; r0 &= 7; r6 = r0; r1 = 0; *(u32 *)(r10 - 4) = r1; r2 = r10; r2 += -4;"
		     "r1 = %[values] ll; call 1; if r0 != 0 goto 9f; exit; 9: *(u64 *)(r10 - 16) = r6;"
		     "r1 = *(u8 *)(r10 - 15); r0 += r1; r0 = *(u8 *)(r0 + 0); r0 = 0; exit;" : : __imm_addr(values));
}

SEC("socket") __success
__naked int bounds_survive(void)
{
	asm volatile("call 7; r0 &= 7; r6 = r0; r1 = 0; *(u32 *)(r10 - 4) = r1; r2 = r10; r2 += -4;"
		     "r1 = %[values] ll; call 1; if r0 != 0 goto 9f; exit; 9: *(u64 *)(r10 - 16) = r6;"
		     "r1 = *(u64 *)(r10 - 16); r0 += r1; r0 = *(u8 *)(r0 + 0); r0 = 0; exit;" : : __imm_addr(values));
}

SEC("socket") __success __retval(0)
__naked int zeros_are_known(void)
{
	asm volatile("r1 = 0; *(u64 *)(r10 - 8) = r1; r6 = *(u16 *)(r10 - 6); r2 = r10; r2 += -8; r2 += r6;"
		     "r0 = *(u64 *)(r2 + 0); exit;");
}

SEC("socket") __success
__naked int variable_offset(void)
{
	asm volatile("r1 = 0; *(u64 *)(r10 - 8) = r1; *(u64 *)(r10 - 16) = r1; call 7; r0 &= 8; r2 = r10; r2 += -16;"
		     "r2 += r0; r0 = *(u64 *)(r2 + 0); r0 = 0; exit;");
}

SEC("socket") __failure __msg("invalid variable-offset read from stack R2")
__naked int variable_offset_out_of_the_frame(void)
{
	asm volatile("call 7; r0 &= 16; r2 = r10; r2 += -16; r2 += r0; r0 = *(u64 *)(r2 + 0); r0 = 0; exit;");
}

LICENSE("GPL");
