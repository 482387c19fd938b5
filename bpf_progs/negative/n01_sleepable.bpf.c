/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N1: a policy that wants to sleep.
 *
 * The ".s" of the section name asks for a sleepable program. The hook calls the policy inside an RCU read-side
 * section, so check_member of the type refuses it for every member, before any instruction is looked at.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops.s/thp_get_order")
int BPF_PROG(n01, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	return PMD_ORDER;
}

SEC(".struct_ops.link")
struct bpf_thp_ops sleepable = {
	.thp_get_order = (void *)n01,
};

LICENSE("GPL");
