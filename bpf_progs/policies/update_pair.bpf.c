/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * P1 and P2 in one object, to be swapped under a running process.
 *
 * Attach `before`, then update its link to `after`: every managed process changes over at once, without a
 * moment in which it has no policy, and THPeligible flips from 0 to 1. Detaching and attaching instead would
 * leave such a moment, and would only find the process again whose pid is named.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops/thp_get_order")
int BPF_PROG(hide_in_smaps, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	return type == TVA_SMAPS ? NO_THP : PMD_ORDER;
}

SEC("struct_ops/thp_get_order")
int BPF_PROG(always, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	return PMD_ORDER;
}

SEC(".struct_ops.link")
struct bpf_thp_ops before = {
	.thp_get_order = (void *)hide_in_smaps,
};

SEC(".struct_ops.link")
struct bpf_thp_ops after = {
	.thp_get_order = (void *)always,
};

LICENSE("GPL");
