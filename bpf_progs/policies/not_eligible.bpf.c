/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * P1: say "not eligible" in /proc/PID/smaps, and use huge pages all the same.
 *
 * The kernel asks the same question for different reasons, and `type` tells which. A policy that denies
 * TVA_SMAPS makes THPeligible read 0 although page faults still get 2 MiB pages: THPeligible reports the
 * answer to one question, not what the process really has.
 *
 * pmd_order is set by the loader (9 on x86-64 with 4 KiB pages).
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

const volatile int pmd_order = PMD_ORDER;

SEC("struct_ops/thp_get_order")
int BPF_PROG(thp_not_eligible, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	return type == TVA_SMAPS ? NO_THP : pmd_order;
}

SEC(".struct_ops.link")
struct bpf_thp_ops not_eligible = {
	.thp_get_order = (void *)thp_not_eligible,
};

LICENSE("GPL");
