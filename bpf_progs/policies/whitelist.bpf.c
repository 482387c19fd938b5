/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * P5: huge pages only for the cgroups that an administrator has listed. The shape used in production.
 *
 * 1. leave the system on `never`, attach this with `allowed` empty: nothing can change;
 * 2. switch the system to `always`: managed processes still get no huge pages;
 * 3. add cgroup ids (the inode number of the cgroup's folder) to `allowed`, remove them again, all live.
 *
 * In a listed cgroup the largest order asked for is granted; everywhere else none.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u8);
} allowed SEC(".maps");

SEC("struct_ops/thp_get_order")
int BPF_PROG(ask_whitelist, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	u64 id = owner_cgroup_id(vma);

	return bpf_map_lookup_elem(&allowed, &id) ? top_order(orders) : NO_THP;
}

SEC(".struct_ops.link")
struct bpf_thp_ops whitelist = {
	.thp_get_order = (void *)ask_whitelist,
};

LICENSE("GPL");
