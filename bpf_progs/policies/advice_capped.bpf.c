/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * P7: respect what the program said with madvise(), and be modest where it said nothing.
 *
 *   MADV_NOHUGEPAGE  no huge page
 *   MADV_HUGEPAGE    the largest order asked for
 *   neither          at most 64 KiB (orders 2 to 4)
 *
 * Watch what the cap does to a fault in a mapping without advice: the 2 MiB question (mask 0x200) is answered
 * with 0, and the following one (mask 0x1ff) with 4.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

#define SMALL_ORDERS (BIT(2) | BIT(3) | BIT(4))

SEC("struct_ops/thp_get_order")
int BPF_PROG(ask_advice, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	unsigned long flags = vma->vm_flags;

	if (flags & VM_NOHUGEPAGE)
		return NO_THP;
	if (flags & VM_HUGEPAGE)
		return top_order(orders);
	return top_order(orders & SMALL_ORDERS);
}

SEC(".struct_ops.link")
struct bpf_thp_ops advice_capped = {
	.thp_get_order = (void *)ask_advice,
};

LICENSE("GPL");
