/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tail calls: into a prog_array, with nothing held. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

struct {
	__uint(type, 3);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__uint(value_size, 4);
} programs SEC(".maps");
MAP(values, 2, int, long, 1, 0);
struct {
	__uint(type, 27);
	__uint(max_entries, 4096);
} ring SEC(".maps");

SEC("socket") __success
__naked int into_a_program(void)
{
	asm volatile("r2 = %[programs] ll; r3 = 0; call 12; r0 = 0; exit;" : : __imm_addr(programs));
}

SEC("socket") __failure __msg("expected prog array map for tail call")
__naked int into_a_value(void)
{
	asm volatile("r2 = %[values] ll; r3 = 0; call 12; r0 = 0; exit;" : : __imm_addr(values));
}

SEC("socket") __failure __msg("tail_call would lead to reference leak")
__naked int with_a_reference(void)
{
	asm volatile("r6 = r1; r1 = %[ring] ll; r2 = 8; r3 = 0; call 131; r7 = r0; r1 = r6; r2 = %[programs] ll;"
		     "r3 = 0; call 12; r0 = 0; exit;" : : __imm_addr(ring), __imm_addr(programs));
}

SEC("socket") __failure __msg("cannot pass map_type 3 into func bpf_map_lookup_elem#1")
__naked int looked_up(void)
{
	asm volatile("r1 = 0; *(u32 *)(r10 - 4) = r1; r2 = r10; r2 += -4; r1 = %[programs] ll; call 1; r0 = 0; exit;"
		     : : __imm_addr(programs));
}

LICENSE("GPL");
