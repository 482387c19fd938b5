/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N11: calls a helper that may sleep.
 *
 * bpf_copy_from_user() can take a page fault of its own. Linux 6.18 has the helper for every program type, but only
 * sleepable programs may call it, and a policy cannot be sleepable (N1). Linux 6.12 does not offer it at all.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops/thp_get_order")
int BPF_PROG(n11, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	u64 word = 0;

	bpf_copy_from_user(&word, sizeof(word), (void *)vma->vm_start);
	return word ? PMD_ORDER : NO_THP;
}

SEC(".struct_ops.link")
struct bpf_thp_ops sleeping_helper = {
	.thp_get_order = (void *)n11,
};

LICENSE("GPL");
