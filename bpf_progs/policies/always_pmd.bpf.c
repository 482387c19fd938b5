/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * P2: always a 2 MiB page, whoever asks and why.
 *
 * THPeligible reads 1. There are no middle sizes left: after a failed 2 MiB attempt the kernel asks again with
 * the mask 0x1ff (orders 0 to 8), the answer 9 is not among them, and the fault falls back to 4 KiB.
 *
 * pmd_order is set by the loader.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

const volatile int pmd_order = PMD_ORDER;

SEC("struct_ops/thp_get_order")
int BPF_PROG(thp_eligible, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	return pmd_order;
}

SEC(".struct_ops.link")
struct bpf_thp_ops always_pmd = {
	.thp_get_order = (void *)thp_eligible,
};

LICENSE("GPL");
