/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N9: leaves without having set R0.
 *
 * C compilers hide this mistake; with inline assembly it is easily made. (naked: no code but the assembly.)
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops/thp_get_order")
__attribute__((naked)) int n09(u64 *ctx)
{
	asm volatile("exit");
}

SEC(".struct_ops.link")
struct bpf_thp_ops no_return_value = {
	.thp_get_order = (void *)n09,
};

LICENSE("GPL");
