/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Objects with one copy per CPU: allocated, and used through the current CPU's copy only. */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"
#include "expect.h"

struct counter {
	long count;
};

#define percpu_new(type) ((type *)bpf_percpu_obj_new_impl(__builtin_btf_type_id(*(type *)0, 0), NULL))
#define percpu_drop(p) bpf_percpu_obj_drop_impl(p, NULL)

#define __percpu_kptr __attribute__((btf_type_tag("percpu_kptr")))

struct owner {
	struct counter __percpu_kptr *counter;
};

MAP(owners, 2, int, struct owner, 1, 0);

SEC("tc") __success
int this_cpus_copy(void *ctx)
{
	int key = 0;
	struct owner *owner = bpf_map_lookup_elem(&owners, &key);
	struct counter *all, *mine;

	if (!owner)
		return 0;
	all = owner->counter;
	if (!all)
		return 0;
	mine = bpf_this_cpu_ptr(all);
	mine->count++;
	return 0;
}

SEC("tc") __success
int exchanged(void *ctx)
{
	int key = 0;
	struct owner *owner = bpf_map_lookup_elem(&owners, &key);
	struct counter *all;

	if (!owner)
		return 0;
	all = percpu_new(struct counter);
	if (!all)
		return 0;
	all = bpf_kptr_xchg(&owner->counter, all);
	if (all)
		percpu_drop(all);
	return 0;
}

SEC("tc") __failure __msg("R0 is ptr_counter access percpu memory: off=0")
int used_as_if_it_were_one(void *ctx)
{
	struct counter *all = percpu_new(struct counter);

	if (!all)
		return 0;
	all->count = 1;
	percpu_drop(all);
	return 0;
}

SEC("tc") __failure __msg("R1 type=percpu_ptr_ expected=percpu_ptr_, percpu_rcu_ptr_, percpu_trusted_ptr_")
int before_others_can_see_it(void *ctx)
{
	struct counter *all = percpu_new(struct counter);

	if (!all)
		return 0;
	bpf_this_cpu_ptr(all);
	percpu_drop(all);
	return 0;
}

SEC("tc") __failure __msg("Unreleased reference")
int forgotten(void *ctx)
{
	return percpu_new(struct counter) ? 1 : 0;
}

LICENSE("GPL");
