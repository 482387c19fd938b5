/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N14: waits for a flag that user space may set.
 *
 * The verifier must see the end of every path. Nothing that it tracks changes from one turn to the next, so it has
 * proof that the loop may run for ever.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

volatile u64 stop;

SEC("struct_ops/thp_get_order")
int BPF_PROG(n14, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	while (!stop)
		;
	return PMD_ORDER;
}

SEC(".struct_ops.link")
struct bpf_thp_ops endless_loop = {
	.thp_get_order = (void *)n14,
};

LICENSE("GPL");
