/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Functions of the program: how deep, how much stack, which registers survive. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

static __noinline int add_one(int x)
{
	asm volatile("" : "+r"(x));
	return x + 1;
}

SEC("socket") __success __retval(3)
int nested_calls(void *ctx)
{
	return add_one(add_one(1));
}

static __naked __noinline __attribute__((used)) void uses_400_bytes(void)
{
	asm volatile("r1 = 0; *(u64 *)(r10 - 400) = r1; r0 = 0; exit;");
}

SEC("socket") __failure __msg("combined stack size of 2 calls is 800. Too large")
__naked int stacks_add_up(void)
{
	asm volatile("r1 = 0; *(u64 *)(r10 - 400) = r1; call uses_400_bytes; r0 = 0; exit;");
}

static __naked __noinline __attribute__((used)) void calls_itself(void)
{
	asm volatile("r1 = 0; call calls_itself; r0 = 0; exit;");
}

SEC("socket") __failure __msg("the call stack of 9 frames is too deep")
__naked int recursion(void)
{
	asm volatile("call calls_itself; r0 = 0; exit;");
}

SEC("socket") __failure __msg("R1 !read_ok")
__naked int arguments_do_not_survive(void)
{
	asm volatile("r1 = 1; call add_one; r0 = r1; exit;");
}

SEC("socket") __success __retval(7)
__naked int saved_registers_survive(void)
{
	asm volatile("r6 = 7; r1 = 1; call add_one; r0 = r6; exit;");
}

static __naked __noinline __attribute__((used)) void reads_r6(void)
{
	asm volatile("r0 = r6; exit;");
}

SEC("socket") __failure __msg("R6 !read_ok")
__naked int a_callee_does_not_see_them(void)
{
	asm volatile("r6 = 7; call reads_r6; exit;");
}

LICENSE("GPL");
