/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N18: narrows the request by writing to its third argument.
 *
 * The mask cannot be changed in place, only answered.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops/thp_get_order")
int n18(u64 *ctx)
{
	ctx[2] = BIT(PMD_ORDER);
	return PMD_ORDER;
}

SEC(".struct_ops.link")
struct bpf_thp_ops write_orders = {
	.thp_get_order = (void *)n18,
};

LICENSE("GPL");
