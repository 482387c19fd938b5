/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * P15: count the questions instead of deciding: how often is the hook asked, by whom, with which mask?
 *
 * One first write to fresh memory asks up to four times: for the 1 GiB entry, on entering khugepaged's list, for
 * 2 MiB, and for the smaller sizes. The program also runs in mode `never`, where its answer changes nothing.
 *
 * `calls` maps {type, orders} to a count. The answer is the largest order asked for, the nearest thing to
 * "keep" that v11 has (see top_order).
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

struct question {
	u32 type;
	u32 pad;	/* keys are compared byte by byte: no room for garbage */
	u64 orders;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct question);
	__type(value, u64);
} calls SEC(".maps");

SEC("struct_ops/thp_get_order")
int BPF_PROG(count_calls, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	struct question question = {.type = type, .orders = orders};
	u64 *count = bpf_map_lookup_elem(&calls, &question);
	u64 one = 1;

	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&calls, &question, &one, BPF_NOEXIST);
	return top_order(orders);
}

SEC(".struct_ops.link")
struct bpf_thp_ops observer = {
	.thp_get_order = (void *)count_calls,
};

LICENSE("GPL");
