/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Alignment: of the stack always, of everything where it is asked for. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

MAP(values, 2, int, long[2], 1, 0);

#define VALUE                                                                                              \
	"r1 = 0; *(u32 *)(r10 - 4) = r1; r2 = r10; r2 += -4; r1 = %[values] ll; call 1;"                   \
	"if r0 != 0 goto 9f; exit; 9:"

SEC("socket") __success
__naked int value_not_aligned(void)
{
	asm volatile(VALUE "r1 = *(u32 *)(r0 + 2); r0 = 0; exit;" : : __imm_addr(values));
}

SEC("socket") __failure __msg("misaligned value access off") __flag(BPF_F_STRICT_ALIGNMENT)
__naked int strictly(void)
{
	asm volatile(VALUE "r1 = *(u32 *)(r0 + 2); r0 = 0; exit;" : : __imm_addr(values));
}

SEC("socket") __failure __msg("misaligned value access off")
__naked int atomic_not_aligned(void)
{
	asm volatile(VALUE "r1 = 1; lock *(u64 *)(r0 + 1) += r1; r0 = 0; exit;" : : __imm_addr(values));
}

LICENSE("GPL");
