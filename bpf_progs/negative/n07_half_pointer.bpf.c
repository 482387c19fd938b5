/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N7: reads only the lower half of a pointer argument.
 *
 * A number may be read in part, a pointer only as a whole: half an address could not be tracked.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops/thp_get_order")
int n07(u64 *ctx)
{
	return *(volatile u32 *)ctx ? PMD_ORDER : NO_THP;
}

SEC(".struct_ops.link")
struct bpf_thp_ops half_pointer = {
	.thp_get_order = (void *)n07,
};

LICENSE("GPL");
