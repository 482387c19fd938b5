/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a CPU may not do while it guesses wrong, where the loader isn't trusted with kernel memory. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

struct value {
	char bytes[48];
};
MAP(values, 2, int, struct value, 1, 0);
MAP(jumps_a, 3, int, int, 4, 0);
MAP(jumps_b, 3, int, int, 4, 0);

#define PROHIBITED ", pointer arithmetic with it prohibited for !root"
/* r0: a value, r6: the context. */
#define CHECKED                                                                                            \
	"r6 = r1; r1 = 0; *(u32 *)(r10 - 4) = r1; r2 = r10; r2 += -4; r1 = %[values] ll; call 1;"          \
	"if r0 != 0 goto 9f; exit; 9:"

SEC("socket") __success __success_unpriv
__naked int dead_branch(void)
{
	asm volatile("r0 = 0; if r0 == 0 goto 1f; r0 = 1; 1: exit;");
}

/* Never executed, but for a moment by a CPU that guesses wrong: a barrier keeps it from that. */
SEC("socket") __success __success_unpriv
__naked int dead_branch_that_leaks(void)
{
	asm volatile("r0 = 0; if r0 == 0 goto 1f; r0 = r1; exit; 1: exit;");
}

SEC("socket") __success __success_unpriv
__naked int dead_branch_that_follows_a_number(void)
{
	asm volatile("r0 = 0; if r0 == 0 goto 1f; r0 = *(u64 *)(r0 + 0); 1: r0 = 0; exit;");
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("R0 leaks addr as return value")
__naked int live_branch_that_leaks(void)
{
	asm volatile("r0 = *(u32 *)(r1 + 0); if r0 == 0 goto 1f; r0 = r1; 1: exit;");
}

SEC("socket") __success __success_unpriv
__naked int moved_inside(void)
{
	asm volatile(CHECKED "r1 = *(u32 *)(r6 + 0); r1 &= 7; r0 += r1; r0 = *(u8 *)(r0 + 0); r0 = 0; exit;"
		     :
		     : __imm_addr(values));
}

SEC("socket") __success __success_unpriv
__naked int number_plus_pointer(void)
{
	asm volatile(CHECKED "r1 = *(u32 *)(r6 + 0); r1 &= 7; r1 += r0; r0 = *(u8 *)(r1 + 0); r0 = 0; exit;"
		     :
		     : __imm_addr(values));
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("R0 pointer arithmetic of map value goes out of range, prohibited for !root")
__naked int moved_outside_and_never_used(void)
{
	asm volatile(CHECKED "r1 = *(u32 *)(r6 + 0); r1 &= 63; r0 += r1; r0 = 0; exit;" : : __imm_addr(values));
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("R1 has unknown scalar with mixed signed bounds" PROHIBITED)
__naked int moved_either_way(void)
{
	asm volatile(CHECKED "r1 = *(u32 *)(r6 + 0); r1 &= 7; r1 += -3; r0 += 8; r0 += r1; r0 = 0; exit;"
		     :
		     : __imm_addr(values));
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("R0 tried to add from different maps, paths or scalars" PROHIBITED)
__naked int two_limits_for_one_move(void)
{
	asm volatile(CHECKED "r1 = *(u32 *)(r6 + 0); r1 &= 7; if r1 == 3 goto 1f; r0 += 8; 1: r0 += r1;"
			     "r0 = 0; exit;"
		     :
		     : __imm_addr(values));
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("R0 tried to add from different maps, paths or scalars" PROHIBITED)
__naked int pointer_on_one_path_number_on_the_other(void)
{
	asm volatile(CHECKED "r1 = *(u32 *)(r6 + 0); r1 &= 7; if r1 == 0 goto 1f; r0 = 3; 1: r0 += r1;"
			     "r0 = 0; exit;"
		     :
		     : __imm_addr(values));
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("R1 has pointer with unsupported alu operation" PROHIBITED)
__naked int context_moved_by_a_register(void)
{
	asm volatile("r2 = 0; r1 += r2; r0 = 0; exit;");
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("R3 variable stack access prohibited for !root, var_off=(0x0; 0x7) off=-16")
__naked int stack_moved_by_an_unknown_number(void)
{
	asm volatile("r2 = *(u32 *)(r1 + 0); r2 &= 7; r3 = r10; r3 += -16; r3 += r2; r0 = 0; exit;");
}

SEC("socket") __success __success_unpriv
__naked int stack_moved_by_a_known_number(void)
{
	asm volatile("r2 = 8; r3 = r10; r3 += -16; r3 += r2; r0 = 0; *(u64 *)(r3 + 0) = r0; exit;");
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("R2 stack pointer arithmetic goes out of range, prohibited for !root; off=8")
__naked int above_the_stack(void)
{
	asm volatile("r2 = r10; r2 += 8; r0 = 0; exit;");
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("tail_call abusing map_ptr")
__naked int tail_call_into_one_of_two(void)
{
	asm volatile("r3 = *(u32 *)(r1 + 0); r2 = %[jumps_a] ll; if r3 == 0 goto 1f; r2 = %[jumps_b] ll; 1:"
		     "r3 = 0; call 12; r0 = 0; exit;"
		     :
		     : __imm_addr(jumps_a), __imm_addr(jumps_b));
}

LICENSE("GPL");
