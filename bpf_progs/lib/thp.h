/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Vocabulary of BPF-THP policies.
 *
 * An order n stands for 2^n pages of 4 KiB; `orders` is a mask with bit n for order n. A policy answers with one
 * order; the kernel keeps that bit of the mask if it is set and nothing otherwise (bpf_hook_thp_get_orders).
 * Answering 0 means "no huge page": bit 0 is never a huge page.
 */
#ifndef BPFVM_THP_H
#define BPFVM_THP_H

#define PAGE_SHIFT 12
#define PMD_ORDER 9		/* 2 MiB */
#define NO_THP 0
#define BIT(n) (1UL << (n))

#define VM_HUGEPAGE 0x20000000UL	/* madvise(MADV_HUGEPAGE) */
#define VM_NOHUGEPAGE 0x40000000UL	/* madvise(MADV_NOHUGEPAGE) */

/* rss_stat[] of struct mm_struct */
#define MM_FILEPAGES 0
#define MM_ANONPAGES 1
#define MM_SWAPENTS 2
#define MM_SHMEMPAGES 3

/*
 * The highest order in the mask, or NO_THP if it is empty: "as large as was asked for".
 *
 * Under v12 a policy would return -1 to say "keep all of them"; in v11 a negative answer switches huge pages off,
 * so the largest one is the nearest thing. It narrows: after a failed 2 MiB attempt the kernel's own fallback to
 * smaller sizes is a separate question with a mask of its own, but within one question only one size is left.
 */
static __always_inline int top_order(unsigned long orders)
{
	int order = 0;

	/* BPF has no instruction for this; six steps of a binary search. */
	if (orders >> 32) { order += 32; orders >>= 32; }
	if (orders >> 16) { order += 16; orders >>= 16; }
	if (orders >> 8) { order += 8; orders >>= 8; }
	if (orders >> 4) { order += 4; orders >>= 4; }
	if (orders >> 2) { order += 2; orders >>= 2; }
	if (orders >> 1) order += 1;
	return order;
}

/*
 * The id of the cgroup (unified hierarchy) of the task that owns the address space, 0 if it has no owner.
 * Not `current`: khugepaged, a reader of smaps or a debugger may be asking on the owner's behalf.
 */
static __always_inline u64 owner_cgroup_id(struct vm_area_struct *vma)
{
	struct mm_struct *mm = vma->vm_mm;
	struct task_struct *owner;

	if (!mm)
		return 0;
	owner = mm->owner;
	if (!owner)
		return 0;
	return owner->cgroups->dfl_cgrp->kn->id;
}

#endif
