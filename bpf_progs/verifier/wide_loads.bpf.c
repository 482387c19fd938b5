/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kinds of ld_imm64: numbers, maps, values of maps, functions. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

MAP(values, 2, int, long, 1, 0);
long global = 5;

SEC("socket") __success __retval(5)
int value_of_a_map(void *ctx)
{
	return *(volatile long *)&global;
}

SEC("socket") __failure __msg("invalid access to map value, value_size=8 off=8 size=8")
__naked int beyond_the_value(void)
{
	asm volatile("r1 = %[global] ll; r0 = *(u64 *)(r1 + 8); exit;" : : __imm_addr(global));
}

SEC("socket") __failure __msg("R1 pointer arithmetic on map_ptr prohibited")
__naked int arithmetic_on_a_map(void)
{
	asm volatile("r1 = %[values] ll; r1 += 8; r0 = 0; exit;" : : __imm_addr(values));
}

SEC("socket") __failure __msg("unrecognized bpf_ld_imm64 insn")
__naked int unknown_kind(void)
{
	asm volatile(".8byte 0x0000000000007118; .8byte 0; r0 = 0; exit;");
}

LICENSE("GPL");
