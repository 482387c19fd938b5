/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N13: one program as a member of two different struct types.
 *
 * A struct_ops program is verified for one member of one type. libbpf notices before the kernel is asked.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops/shared")
int n13(u64 *ctx)
{
	return 0;
}

SEC(".struct_ops.link")
struct bpf_thp_ops two_types_thp = {
	.thp_get_order = (void *)n13,
};

SEC(".struct_ops")
struct bpf_dummy_ops two_types_dummy = {
	.test_1 = (void *)n13,
};

LICENSE("GPL");
