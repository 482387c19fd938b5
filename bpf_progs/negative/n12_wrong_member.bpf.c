/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N12: nothing is wrong with this program, only with where it is attached.
 *
 * expected_attach_type is the index of a member of bpf_thp_ops. A loader finds the right one (1) by itself; the
 * expectations beside this file override it: 0 is pid, 2 is mm_list, and there is no member 3 or 9.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops/thp_get_order")
int BPF_PROG(n12, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	return PMD_ORDER;
}

SEC(".struct_ops.link")
struct bpf_thp_ops wrong_member = {
	.thp_get_order = (void *)n12,
};

LICENSE("GPL");
