/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * P9: huge pages at once while a process starts up, and only from khugepaged afterwards.
 *
 * A service that allocates its memory at the start gains most from 2 MiB pages right then, when memory is least
 * fragmented. Later faults stay cheap, and khugepaged collapses what proves to be in use.
 *
 * `window_ns` is the length of the window, counted from the start of the owner (both clocks are monotonic).
 * smaps and MADV_COLLAPSE see the same answer as khugepaged.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

const volatile u64 window_ns = 30ULL * 1000 * 1000 * 1000;

SEC("struct_ops/thp_get_order")
int BPF_PROG(ask_clock, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	struct mm_struct *mm = vma->vm_mm;
	struct task_struct *owner;

	if (type != TVA_PAGEFAULT)
		return PMD_ORDER;
	if (!mm)
		return NO_THP;
	owner = mm->owner;
	if (!owner)
		return NO_THP;
	return bpf_ktime_get_ns() - owner->start_time < window_ns ? PMD_ORDER : NO_THP;
}

SEC(".struct_ops.link")
struct bpf_thp_ops startup_window = {
	.thp_get_order = (void *)ask_clock,
};

LICENSE("GPL");
