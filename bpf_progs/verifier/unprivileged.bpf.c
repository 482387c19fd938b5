/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What only those with capabilities may do: show addresses, loop, use most helpers. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

MAP(values, 1, int, long, 1, 0);

#define CHECKED                                                                                            \
	"r1 = 0; *(u32 *)(r10 - 4) = r1; r2 = r10; r2 += -4; r1 = %[values] ll; call 1;"                   \
	"if r0 != 0 goto 9f; exit; 9:"

SEC("socket") __success __success_unpriv
__naked int numbers_only(void)
{
	asm volatile(CHECKED "r1 = 1; *(u64 *)(r0 + 0) = r1; r0 = 0; exit;" : : __imm_addr(values));
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("R10 leaks addr into map")
__naked int address_into_a_map(void)
{
	asm volatile(CHECKED "*(u64 *)(r0 + 0) = r10; r0 = 0; exit;" : : __imm_addr(values));
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("back-edge from insn 2 to 1")
__naked int bounded_loop(void)
{
	asm volatile("r0 = 0; 1: r0 += 1; if r0 < 4 goto 1b; r0 = 0; exit;");
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("R10 pointer comparison prohibited")
__naked int addresses_compared(void)
{
	asm volatile("if r1 == r10 goto 1f; 1: r0 = 0; exit;");
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("R1 pointer arithmetic prohibited")
__naked int address_negated(void)
{
	asm volatile("r1 = r10; r1 = -r1; r0 = 0; exit;");
}

SEC("kprobe/do_nothing") __success
__failure_unpriv
__naked int type_of_program(void)
{
	asm volatile("r0 = 0; exit;");
}

LICENSE("GPL");
