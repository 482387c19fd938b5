/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N20: stores to vma->vm_pgoff, a plain number without a const: as read-only as the rest of the kernel.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops/thp_get_order")
int BPF_PROG(n20, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	vma->vm_pgoff = 0;
	return PMD_ORDER;
}

SEC(".struct_ops.link")
struct bpf_thp_ops write_pgoff = {
	.thp_get_order = (void *)n20,
};

LICENSE("GPL");
