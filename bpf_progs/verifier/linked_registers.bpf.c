/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copies of an unknown number: what is learned of one holds for the others. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

MAP(table, 2, int, char[16], 1, 0);

#define VALUE                                                                                              \
	"r1 = 0; *(u32 *)(r10 - 4) = r1; r2 = r10; r2 += -4; r1 = %[table] ll; call 1;"                    \
	"if r0 != 0 goto 9f; exit; 9: r6 = r0; call 7; r7 = r0;"

SEC("socket") __success
__naked int copy_is_bounded_too(void)
{
	asm volatile(VALUE "r8 = r7; if r7 > 15 goto 1f; r6 += r8; r0 = *(u8 *)(r6 + 0); 1: r0 = 0; exit;"
		     : : __imm_addr(table));
}

SEC("socket") __failure __msg("math between map_value pointer and register with unbounded min value is not allowed")
__naked int changed_copy_is_not(void)
{
	asm volatile(VALUE "r8 = r7; r8 <<= 1; if r7 > 7 goto 1f; r6 += r8; r0 = *(u8 *)(r6 + 0); 1: r0 = 0; exit;"
		     : : __imm_addr(table));
}

SEC("socket") __success
__naked int spilled_copy_is_bounded_too(void)
{
	asm volatile(VALUE "*(u64 *)(r10 - 16) = r7; if r7 > 15 goto 1f; r8 = *(u64 *)(r10 - 16); r6 += r8;"
		     "r0 = *(u8 *)(r6 + 0); 1: r0 = 0; exit;" : : __imm_addr(table));
}

SEC("socket") __success
__naked int copy_plus_constant(void)
{
	asm volatile(VALUE "r7 &= 255; r8 = r7; r8 += 5; if r7 > 10 goto 1f; r6 += r8; r0 = *(u8 *)(r6 + 0);"
		     "1: r0 = 0; exit;" : : __imm_addr(table));
}

LICENSE("GPL");
