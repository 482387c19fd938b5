/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * P6: the system-wide always / madvise / never switch, but per cgroup.
 *
 * Three sets of cgroup ids, asked in the order never, always, madvise; a cgroup in none of them gets `fallback`.
 * The program can only narrow: with the system switch on `never` nothing becomes huge, whatever the maps say.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

enum mode {
	MODE_NEVER,
	MODE_MADVISE,
	MODE_ALWAYS,
};

struct cgroup_set {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u8);
};

struct cgroup_set thp_always SEC(".maps");
struct cgroup_set thp_madvise SEC(".maps");
struct cgroup_set thp_never SEC(".maps");

/* What holds for a cgroup that is in no set; may be changed at run time. */
volatile u32 fallback = MODE_NEVER;

static __always_inline u32 mode_of(u64 cgroup_id)
{
	if (bpf_map_lookup_elem(&thp_never, &cgroup_id))
		return MODE_NEVER;
	if (bpf_map_lookup_elem(&thp_always, &cgroup_id))
		return MODE_ALWAYS;
	if (bpf_map_lookup_elem(&thp_madvise, &cgroup_id))
		return MODE_MADVISE;
	return fallback;
}

SEC("struct_ops/thp_get_order")
int BPF_PROG(ask_three_sets, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	u32 mode = mode_of(owner_cgroup_id(vma));

	if (mode == MODE_ALWAYS || (mode == MODE_MADVISE && vma->vm_flags & VM_HUGEPAGE))
		return top_order(orders);
	return NO_THP;
}

SEC(".struct_ops.link")
struct bpf_thp_ops three_way = {
	.thp_get_order = (void *)ask_three_sets,
};

LICENSE("GPL");
