/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Arguments of helpers: their types, sizes that belong to memory, constants, licences. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

MAP(values, 1, int, long, 1, 0);

SEC("socket") __success
int key_on_the_stack(void *ctx)
{
	int key = 0;

	return bpf_map_lookup_elem(&values, &key) ? 1 : 0;
}

SEC("socket") __failure __msg("R2 type=scalar expected=fp")
__naked int key_is_a_number(void)
{
	asm volatile("r1 = %[values] ll; r2 = 4096; call 1; r0 = 0; exit;" : : __imm_addr(values));
}

SEC("socket") __failure __msg("R1 type=scalar expected=map_ptr")
__naked int map_is_a_number(void)
{
	asm volatile("r1 = 4096; r2 = r10; r2 += -4; call 1; r0 = 0; exit;");
}

SEC("socket") __failure __msg("invalid read from stack R2 off=0 size=4")
__naked int key_outside_the_stack(void)
{
	asm volatile("r2 = r10; r1 = %[values] ll; call 1; r0 = 0; exit;" : : __imm_addr(values));
}

SEC("tracepoint/syscalls/sys_enter_open") __success
__naked int size_in_bounds(void)
{
	asm volatile("call 7; r2 = r0; r2 &= 15; r2 += 1; r1 = r10; r1 += -16; r3 = 0; call 113; r0 = 0; exit;");
}

SEC("tracepoint/syscalls/sys_enter_open") __failure __msg("invalid write to stack R1 off=-16 size=17")
__naked int size_too_large(void)
{
	asm volatile("call 7; r2 = r0; r2 &= 16; r2 += 1; r1 = r10; r1 += -16; r3 = 0; call 113; r0 = 0; exit;");
}

SEC("tracepoint/syscalls/sys_enter_open") __failure __msg("R2 min value is negative, either use unsigned or 'var &= const'")
__naked int size_maybe_negative(void)
{
	asm volatile("call 7; r2 = r0; r1 = r10; r1 += -16; r3 = 0; call 113; r0 = 0; exit;");
}

SEC("tracepoint/syscalls/sys_enter_open") __success
__naked int size_zero(void)
{
	asm volatile("r1 = r10; r1 += -16; r2 = 0; r3 = 0; call 113; r0 = 0; exit;");
}

SEC("socket") __failure __msg("program of this type cannot use helper bpf_probe_read#4")
__naked int helper_of_other_types(void)
{
	asm volatile("r1 = r10; r1 += -8; r2 = 8; r3 = 0; call 4; r0 = 0; exit;");
}

SEC("socket") __failure __msg("invalid func unknown#9999")
__naked int helper_that_does_not_exist(void)
{
	asm volatile("call 9999; exit;");
}

const char word[] = "word";
const char endless[4] = {'w', 'o', 'r', 'd'};
char writable[] = "word";

SEC("socket") __success __retval(0)
int constant_string(void *ctx)
{
	char local[5] = "word";

	return bpf_strncmp(local, sizeof(local), word);
}

SEC("socket") __failure __msg("R3 type=fp expected=map_value")
int string_on_the_stack(void *ctx)
{
	char local[8] = "word";

	return bpf_strncmp(local, sizeof(local), local);
}

SEC("socket") __failure __msg("R3 does not point to a readonly map")
int string_that_may_change(void *ctx)
{
	char local[8] = "word";

	return bpf_strncmp(local, sizeof(local), writable);
}

SEC("socket") __failure __msg("string is not zero-terminated")
int string_without_an_end(void *ctx)
{
	char local[8] = "word";

	return bpf_strncmp(local, sizeof(local), endless);
}

LICENSE("GPL");
