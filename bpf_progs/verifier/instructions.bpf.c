/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Is it an instruction at all? Registers, reserved fields, opcodes. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

SEC("socket") __success __retval(2)
__naked int all_fields_in_place(void)
{
	asm volatile("r0 = 1; r0 += 1; exit;");
}

SEC("socket") __failure __msg("unknown opcode 8d") /* callx */
__naked int indirect_call(void)
{
	asm volatile(".8byte 0x000000000000008d; r0 = 0; exit;");
}

SEC("socket") __failure __msg("BPF_EXIT uses reserved fields")
__naked int exit_with_immediate(void)
{
	asm volatile("r0 = 0; .8byte 0x0000000100000095;");
}

SEC("socket") __failure __msg("R12 is invalid")
__naked int register_twelve(void)
{
	asm volatile(".8byte 0x0000000000000cb7; r0 = 0; exit;");
}

SEC("socket") __failure __msg("invalid shift 64")
__naked int shift_by_width(void)
{
	asm volatile("r0 = 1; .8byte 0x0000004000000067; exit;");
}

SEC("socket") __failure __msg("div by zero")
__naked int division_by_constant_zero(void)
{
	asm volatile("r0 = 1; .8byte 0x0000000000000037; exit;");
}

SEC("socket") __failure __msg("frame pointer is read only")
__naked int write_to_r10(void)
{
	asm volatile(".8byte 0x0000000000000ab7; r0 = 0; exit;");
}

SEC("socket") __failure __msg("invalid bpf_ld_imm64 insn")
__naked int half_an_ld_imm64(void)
{
	asm volatile(".8byte 0x0000000000000018; .8byte 0x00000000000000b7; exit;");
}

LICENSE("GPL");
