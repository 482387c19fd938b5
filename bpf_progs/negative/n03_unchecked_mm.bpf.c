/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N3: dereferences vma->vm_mm without testing it.
 *
 * On kernels that trust vm_area_struct.vm_mm the pointer arrives as "trusted or NULL" and must be tested first.
 * Linux 6.18 does not know that field: the pointer is untracked there, and the same program is accepted.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops/thp_get_order")
int BPF_PROG(n03, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	return vma->vm_mm->owner ? PMD_ORDER : NO_THP;
}

SEC(".struct_ops.link")
struct bpf_thp_ops unchecked_mm = {
	.thp_get_order = (void *)n03,
};

LICENSE("GPL");
