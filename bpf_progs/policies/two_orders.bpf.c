/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two independent policies in one object, each with one fixed answer: for stories about who manages whom.
 *
 * order_a and order_b are set before loading (they end up in read-only memory, so the verifier knows them).
 * calls_a and calls_b count how often each program ran; user space reads them from the .bss map.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

const volatile int order_a = PMD_ORDER;
const volatile int order_b = PMD_ORDER;

u64 calls_a;
u64 calls_b;

SEC("struct_ops/thp_get_order")
int BPF_PROG(get_order_a, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	__sync_fetch_and_add(&calls_a, 1);
	return order_a;
}

SEC("struct_ops/thp_get_order")
int BPF_PROG(get_order_b, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	__sync_fetch_and_add(&calls_b, 1);
	return order_b;
}

SEC(".struct_ops.link")
struct bpf_thp_ops pol_a = {
	.thp_get_order = (void *)get_order_a,
};

SEC(".struct_ops.link")
struct bpf_thp_ops pol_b = {
	.thp_get_order = (void *)get_order_b,
};

LICENSE("GPL");
