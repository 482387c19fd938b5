/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is known of numbers: 64 and 32 bits, signed and unsigned, bit by bit. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

MAP(table, 2, int, char[16], 1, 0);

#define LOOKUP                                                                                             \
	"r1 = 0; *(u32 *)(r10 - 4) = r1; r2 = r10; r2 += -4; r1 = %[table] ll; call 1;"                    \
	"if r0 != 0 goto 9f; exit; 9: call 7;" /* r0: random; the value is gone */
#define VALUE                                                                                              \
	"r1 = 0; *(u32 *)(r10 - 4) = r1; r2 = r10; r2 += -4; r1 = %[table] ll; call 1;"                    \
	"if r0 != 0 goto 9f; exit; 9: r6 = r0; call 7; r7 = r0;"

SEC("socket") __success
__naked int masked_index(void)
{
	asm volatile(VALUE "r7 &= 15; r6 += r7; r0 = *(u8 *)(r6 + 0); r0 = 0; exit;" : : __imm_addr(table));
}

SEC("socket") __failure __msg("invalid access to map value, value_size=16 off=16 size=1")
__naked int mask_too_wide(void)
{
	asm volatile(VALUE "r7 &= 16; r6 += r7; r0 = *(u8 *)(r6 + 0); r0 = 0; exit;" : : __imm_addr(table));
}

SEC("socket") __success
__naked int compared_unsigned(void)
{
	asm volatile(VALUE "if r7 > 15 goto 1f; r6 += r7; r0 = *(u8 *)(r6 + 0); 1: r0 = 0; exit;"
		     : : __imm_addr(table));
}

SEC("socket") __failure __msg("math between map_value pointer and register with unbounded min value is not allowed")
__naked int compared_signed_only(void)
{
	asm volatile(VALUE "if r7 s> 15 goto 1f; r6 += r7; r0 = *(u8 *)(r6 + 0); 1: r0 = 0; exit;"
		     : : __imm_addr(table));
}

SEC("socket") __success
__naked int compared_in_32_bits(void)
{
	asm volatile(VALUE "w7 = w7; if w7 > 15 goto 1f; r6 += r7; r0 = *(u8 *)(r6 + 0); 1: r0 = 0; exit;"
		     : : __imm_addr(table));
}

SEC("socket") __failure __msg("math between map_value pointer and register with unbounded min value is not allowed")
__naked int upper_half_unknown(void)
{
	asm volatile(VALUE "if w7 > 15 goto 1f; r6 += r7; r0 = *(u8 *)(r6 + 0); 1: r0 = 0; exit;"
		     : : __imm_addr(table));
}

SEC("socket") __success
__naked int shifted_down(void)
{
	asm volatile(VALUE "r7 >>= 60; r6 += r7; r0 = *(u8 *)(r6 + 0); r0 = 0; exit;" : : __imm_addr(table));
}

SEC("socket") __failure __msg("R6 min value is negative")
__naked int shifted_down_with_sign(void)
{
	asm volatile(VALUE "r7 s>>= 60; r6 += r7; r0 = *(u8 *)(r6 + 0); r0 = 0; exit;" : : __imm_addr(table));
}

SEC("socket") __success
__naked int impossible_branch(void)
{
	asm volatile("call 7; r0 &= 3; if r0 > 3 goto 1f; r0 = 0; exit; 1: r0 = *(u8 *)(r9 + 0); exit;");
}

LICENSE("GPL");
