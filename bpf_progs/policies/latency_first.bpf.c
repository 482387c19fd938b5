/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * P10: for programs that must not stall in a page fault (a key-value store).
 *
 * Page faults and swap-in never allocate a huge page; khugepaged may make one in the background, where the
 * program asked for it with MADV_HUGEPAGE; MADV_COLLAPSE, an explicit request, is granted.
 *
 * Swap-in has a `type` of its own only in kernels with patch 04 of the series; elsewhere it is a page fault.
 * The program is compiled once for both: the loader answers core_enum_has() for the kernel at hand.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

/* The part after ___ is not compared: this stands for enum tva_type and its TVA_SWAP_PAGEFAULT. */
enum tva_type___patch04 {
	TVA_SWAP_PAGEFAULT___patch04 = 4,
};

static __always_inline bool is_swap_in(enum tva_type type)
{
	return core_enum_has(enum tva_type___patch04, TVA_SWAP_PAGEFAULT___patch04) &&
	       type == core_enum_value(enum tva_type___patch04, TVA_SWAP_PAGEFAULT___patch04);
}

SEC("struct_ops/thp_get_order")
int BPF_PROG(ask_latency, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	if (type == TVA_PAGEFAULT || is_swap_in(type))
		return NO_THP;
	if (type == TVA_KHUGEPAGED)
		return vma->vm_flags & VM_HUGEPAGE ? PMD_ORDER : NO_THP;
	return top_order(orders);
}

SEC(".struct_ops.link")
struct bpf_thp_ops latency_first = {
	.thp_get_order = (void *)ask_latency,
};

LICENSE("GPL");
