/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N16: fills the member that belongs to the kernel.
 *
 * mm_list is visible in the type but not the user's; every byte of it must be zero when the map is populated.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops/thp_get_order")
int BPF_PROG(n16, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	return PMD_ORDER;
}

SEC(".struct_ops.link")
struct bpf_thp_ops private_member = {
	.thp_get_order = (void *)n16,
	.mm_list.next = (void *)1,
};

LICENSE("GPL");
