/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers whatever user space last wrote to the global `verdict`, also nonsense: for finding out what the kernel
 * makes of an answer. The verifier accepts any number from a member that returns int, and the C caller takes the
 * low 32 bits: 0x100000009 is 9.
 *
 * v11 keeps bit (verdict mod 64) of the mask on x86-64, so -1 means bit 63: no huge page. -55 and 73 act as 9.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

/* Not const: it stays in the writable .data map and can be changed while the policy is attached. */
volatile s64 verdict = PMD_ORDER;

SEC("struct_ops/thp_get_order")
s64 BPF_PROG(any_order, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	return verdict;
}

SEC(".struct_ops.link")
struct bpf_thp_ops any_verdict = {
	.thp_get_order = (void *)any_order,
};

LICENSE("GPL");
