/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Contexts: the fields of a program type, in their sizes, readable or writable. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

SEC("socket") __success
__naked int field_of_the_type(void)
{
	asm volatile("r0 = *(u32 *)(r1 + 16); r0 = 0; exit;"); /* protocol */
}

SEC("socket") __failure __msg("invalid bpf_context access off=76 size=4")
__naked int field_of_another_type(void)
{
	asm volatile("r0 = *(u32 *)(r1 + 76); r0 = 0; exit;"); /* data */
}

SEC("socket") __failure __msg("invalid bpf_context access off=16 size=4")
__naked int read_only_field(void)
{
	asm volatile("r2 = 0; *(u32 *)(r1 + 16) = r2; r0 = 0; exit;");
}

SEC("tc") __success
__naked int writable_field(void)
{
	asm volatile("r2 = 0; *(u32 *)(r1 + 8) = r2; r0 = 0; exit;"); /* mark */
}

SEC("socket") __success
__naked int narrow_load(void)
{
	asm volatile("r0 = *(u8 *)(r1 + 0); r0 = 0; exit;"); /* len */
}

SEC("socket") __failure __msg("invalid bpf_context access off=0 size=8")
__naked int wide_load(void)
{
	asm volatile("r0 = *(u64 *)(r1 + 0); r0 = 0; exit;");
}

SEC("socket") __failure __msg("dereference of modified ctx ptr R1 off=68 disallowed")
__naked int variable_of_a_kind(void)
{
	asm volatile("r1 += 68; r0 = *(u32 *)(r1 + 0); r0 = 0; exit;");
}

SEC("socket") __failure __msg("variable ctx access var_off=(0x0; 0x4) disallowed")
__naked int variable_offset(void)
{
	asm volatile("r6 = r1; call 7; r0 &= 4; r6 += r0; r0 = *(u32 *)(r6 + 0); r0 = 0; exit;");
}

SEC("socket") __failure __msg("invalid bpf_context access off=192 size=4")
__naked int behind_the_last(void)
{
	asm volatile("r0 = *(u32 *)(r1 + 192); r0 = 0; exit;");
}

LICENSE("GPL");
