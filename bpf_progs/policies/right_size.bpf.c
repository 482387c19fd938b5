/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * P12: size the pages by the mapping: small mappings get small folios.
 *
 * The answer is the largest order asked for of which at least `factor` pages fit into the mapping, so no more
 * than 1/factor of it can be wasted at its ends. With factor 4 a mapping needs 8 MiB for 2 MiB pages and 256 KiB
 * for 64 KiB ones.
 *
 * The loop has a fixed bound, so the verifier can follow it to its end.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

const volatile u32 factor = 4;

SEC("struct_ops/thp_get_order")
int BPF_PROG(ask_length, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	unsigned long pages = (vma->vm_end - vma->vm_start) >> PAGE_SHIFT;

	for (int order = PMD_ORDER; order > 0; order--)
		if (orders & BIT(order) && pages >= (unsigned long)factor << order)
			return order;
	return NO_THP;
}

SEC(".struct_ops.link")
struct bpf_thp_ops right_size = {
	.thp_get_order = (void *)ask_length,
};

LICENSE("GPL");
