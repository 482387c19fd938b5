/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N6: reads one argument too many.
 *
 * The context is an array of 8-byte slots, one per argument of thp_get_order: vma, type, orders.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops/thp_get_order")
int n06(u64 *ctx)
{
	return ctx[3] ? PMD_ORDER : NO_THP;
}

SEC(".struct_ops.link")
struct bpf_thp_ops fourth_argument = {
	.thp_get_order = (void *)n06,
};

LICENSE("GPL");
