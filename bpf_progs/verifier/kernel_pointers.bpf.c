/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Kernel pointers kept in map values: exchanged, never written. */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"
#include "expect.h"

struct keeper {
	long count;
	struct task_struct __kptr *task;
	struct task_struct __kptr_untrusted *loose;
};

MAP(keepers, 2, int, struct keeper, 1, 0);

#define LOOKUP                                                                                             \
	int key = 0;                                                                                       \
	struct keeper *keeper = bpf_map_lookup_elem(&keepers, &key);                                       \
	struct task_struct *task;                                                                          \
	if (!keeper)                                                                                       \
		return 0;

SEC("syscall") __success
int exchanged(void *ctx)
{
	LOOKUP
	task = bpf_task_from_pid(1);
	if (!task)
		return 0;
	task = bpf_kptr_xchg(&keeper->task, task);
	if (task)
		bpf_task_release(task);
	return 0;
}

SEC("syscall") __failure __msg("Unreleased reference")
int old_one_forgotten(void *ctx)
{
	LOOKUP
	task = bpf_task_from_pid(1);
	if (task)
		bpf_kptr_xchg(&keeper->task, task);
	return 0;
}

SEC("syscall") __failure __msg("store to referenced kptr disallowed")
int written(void *ctx)
{
	LOOKUP
	task = bpf_task_from_pid(1);
	if (!task)
		return 0;
	*(struct task_struct *volatile *)&keeper->task = task;
	bpf_task_release(task);
	return 0;
}

SEC("syscall") __failure __msg("kptr access size must be BPF_DW")
int half_of_it(void *ctx)
{
	LOOKUP
	(void)task;
	return *(volatile int *)&keeper->task;
}

SEC("syscall") __failure __msg("R1 must be referenced or trusted")
int loaded_is_not_owned(void *ctx)
{
	LOOKUP
	task = keeper->task;
	if (task)
		bpf_task_release(task);
	return 0;
}

struct plain {
	long number;
};

struct owner {
	struct plain __kptr *mine;
};

MAP(owners, 2, int, struct owner, 1, 0);

SEC("tc") __success
int object_of_its_own(void *ctx)
{
	int key = 0;
	struct owner *owner = bpf_map_lookup_elem(&owners, &key);
	struct plain *object;

	if (!owner)
		return 0;
	object = obj_new(struct plain);
	if (!object)
		return 0;
	object = bpf_kptr_xchg(&owner->mine, object);
	if (object)
		obj_drop(object);
	return 0;
}

SEC("tc") __failure __msg("invalid kptr access, R2 type=")
int object_of_another_type(void *ctx)
{
	int key = 0;
	struct owner *owner = bpf_map_lookup_elem(&owners, &key);
	struct keeper *other;

	if (!owner)
		return 0;
	other = (void *)bpf_task_from_pid(1);
	if (!other)
		return 0;
	other = bpf_kptr_xchg(&owner->mine, other);
	if (other)
		obj_drop((struct plain *)other);
	return 0;
}

SEC("syscall") __success
int loose_one_stored(void *ctx)
{
	LOOKUP
	task = bpf_get_current_task_btf();
	keeper->loose = task;
	return 0;
}

LICENSE("GPL");
