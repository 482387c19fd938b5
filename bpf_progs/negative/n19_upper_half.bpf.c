/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N19: reads the upper half of the first argument.
 *
 * Arguments start at multiples of 8; nothing else is readable, not even for numbers.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops/thp_get_order")
int n19(u64 *ctx)
{
	return *((volatile u32 *)ctx + 1) ? PMD_ORDER : NO_THP;
}

SEC(".struct_ops.link")
struct bpf_thp_ops upper_half = {
	.thp_get_order = (void *)n19,
};

LICENSE("GPL");
