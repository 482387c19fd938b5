/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N8: writes to its own arguments.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops/thp_get_order")
int n08(u64 *ctx)
{
	ctx[0] = 0;
	return PMD_ORDER;
}

SEC(".struct_ops.link")
struct bpf_thp_ops write_context = {
	.thp_get_order = (void *)n08,
};

LICENSE("GPL");
