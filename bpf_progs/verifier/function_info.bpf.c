/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What BTF says of functions must fit what they do. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

struct {
	__uint(type, 3);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__uint(value_size, 4);
} programs SEC(".maps");

static __naked __noinline __attribute__((used)) int goes_on_as_a_number(void)
{
	asm volatile("r2 = %[programs] ll; r3 = 0; call 12; r0 = 0; exit;" : : __imm_addr(programs));
}

SEC("socket") __success
__naked int tail_call_in_a_function(void)
{
	asm volatile("call goes_on_as_a_number; r0 = 0; exit;");
}

static __naked __noinline __attribute__((used)) void goes_on_as_nothing(void)
{
	asm volatile("r2 = %[programs] ll; r3 = 0; call 12; r0 = 0; exit;" : : __imm_addr(programs));
}

SEC("socket") __failure __msg("tail_call is only allowed in functions that return 'int'.")
__naked int tail_call_in_a_void_function(void)
{
	asm volatile("call goes_on_as_nothing; r0 = 0; exit;");
}

static __naked __noinline __attribute__((used)) void reads_the_packet(void)
{
	asm volatile("r6 = r1; r0 = *(u8 *)skb[0]; exit;");
}

SEC("socket") __failure __msg("LD_ABS is only allowed in functions that return 'int'.")
__naked int packet_load_in_a_void_function(void)
{
	asm volatile("call reads_the_packet; r0 = 0; exit;");
}

LICENSE("GPL");
