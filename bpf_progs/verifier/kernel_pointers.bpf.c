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

LICENSE("GPL");
