/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a program may go: every instruction reachable, every jump inside, every way an exit. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

SEC("socket") __success __retval(1)
__naked int both_ways_exit(void)
{
	asm volatile("r0 = *(u32 *)(r1 + 0); if r0 == 0 goto 1f; r0 = 1; exit; 1: r0 = 1; exit;");
}

SEC("socket") __failure __msg("unreachable insn 2")
__naked int dead_code(void)
{
	asm volatile("r0 = 0; exit; r0 = 1; exit;");
}

SEC("socket") __failure __msg("last insn is not an exit or jmp")
__naked int runs_off_the_end(void)
{
	asm volatile("r0 = 0;");
}

SEC("socket") __failure __msg("jump out of range from insn 1 to 9")
__naked int jump_too_far(void)
{
	asm volatile("r0 = 0; .8byte 0x0000000000070005; exit;");
}

SEC("socket") __failure __msg("infinite loop detected at insn 1")
__naked int endless_loop(void)
{
	asm volatile("r0 = 0; 1: if r0 == 0 goto 1b; exit;");
}

SEC("socket") __success __retval(10)
__naked int bounded_loop(void)
{
	asm volatile("r0 = 0; 1: r0 += 1; if r0 < 10 goto 1b; exit;");
}

SEC("socket") __failure __msg("R0 !read_ok")
__naked int no_result(void)
{
	asm volatile("exit;");
}

SEC("socket") __failure __msg("jump into the middle of ldimm64 insn 2")
__naked int into_a_wide_instruction(void)
{
	asm volatile("r0 = 0; if r0 == 0 goto +1; r1 = 5 ll; exit;");
}

LICENSE("GPL");
