/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Loops that end: by their bounds, by may_goto, or not at all. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

SEC("socket") __success
__naked int may_goto(void)
{
	asm volatile("r0 = 0; 1: r0 += 1; .8byte 0x00000000000100e5; goto 1b; r0 = 0; exit;");
}

SEC("socket") __failure __msg("BPF program is too large. Processed 1000001 insn")
__naked int too_many_iterations(void)
{
	asm volatile("r0 = 0; 1: r0 += 1; if r0 < 600000 goto 1b; r0 = 0; exit;");
}

SEC("socket") __success __retval(64)
int loop_over_an_array(void *ctx)
{
	volatile char bytes[64];
	int sum = 0;

	for (int i = 0; i < 64; i++)
		bytes[i] = 1;
	for (int i = 0; i < 64; i++)
		sum += bytes[i];
	return sum;
}

SEC("socket") __failure __msg("infinite loop detected")
__naked int counter_that_stands_still(void)
{
	asm volatile("r0 = 0; 1: r0 += 0; if r0 < 10 goto 1b; exit;");
}

LICENSE("GPL");
