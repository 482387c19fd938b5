/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N5: wants to switch huge pages on by setting VM_HUGEPAGE itself.
 *
 * Kernel structs are read-only unless the type brings a btf_struct_access callback that allows a field, and
 * bpf_thp_ops has none. A policy only narrows what was asked for.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops/thp_get_order")
int BPF_PROG(n05, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	vma->__vm_flags |= VM_HUGEPAGE;
	return PMD_ORDER;
}

SEC(".struct_ops.link")
struct bpf_thp_ops write_vma = {
	.thp_get_order = (void *)n05,
};

LICENSE("GPL");
