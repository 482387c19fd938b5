/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A policy as somebody who has never heard of bpfvm would write it: against the full vmlinux.h of a real kernel, with
 * macros of its own. It asks for the cgroup of the address space's owner.
 */
#include "vmlinux.h"

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int (*name)[value]
#define __type(name, value) __typeof__(value) *name

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct bpf_thp_ops {
	pid_t pid;
	int (*thp_get_order)(struct vm_area_struct *vma, int type, unsigned long orders);
	struct list_head mm_list;
};
#pragma clang attribute pop

static void *(*const map_lookup_elem)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, u64);
	__type(value, u32);
} listed SEC(".maps");

/* keeps the definitions of many types in the object's BTF, as a large policy would */
#include "every_type.h"
const union every_type *every_type;

u64 asked;

SEC("struct_ops/thp_get_order")
int ask_owner(u64 *ctx)
{
	struct vm_area_struct *vma = (void *)ctx[0];
	struct mm_struct *mm = vma->vm_mm;
	struct task_struct *owner;
	u64 id;

	if (!mm)
		return 0;
	owner = mm->owner;
	if (!owner)
		return 0;
	id = owner->cgroups->dfl_cgrp->kn->id;
	asked = id;
	return map_lookup_elem(&listed, &id) ? 9 : 0;
}

SEC(".struct_ops.link")
struct bpf_thp_ops stock = {
	.thp_get_order = (void *)ask_owner,
};

char _license[] SEC("license") = "GPL";
