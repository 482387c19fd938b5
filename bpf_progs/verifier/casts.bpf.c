/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Casts: any pointer to an untrusted kernel object, a context to the kernel's own. */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"
#include "expect.h"

#define kernel_id(type) __builtin_btf_type_id(*(type *)0, 1)

SEC("tc") __success
int number_as_a_task(void *ctx)
{
	struct task_struct *task = bpf_rdonly_cast((void *)bpf_ktime_get_ns(), kernel_id(struct task_struct));

	return task->pid & 0; /* reads 0 where there is no task */
}

SEC("tc") __failure __msg("only read is supported")
int written(void *ctx)
{
	struct task_struct *task = bpf_rdonly_cast((void *)bpf_ktime_get_ns(), kernel_id(struct task_struct));

	*(volatile int *)&task->pid = 0;
	return 0;
}

SEC("tc") __failure __msg("R1 must be a rcu pointer")
int not_trusted_by_others(void *ctx)
{
	struct task_struct *task = bpf_rdonly_cast(ctx, kernel_id(struct task_struct));

	task = bpf_task_acquire(task);
	if (task)
		bpf_task_release(task);
	return 0;
}

SEC("tc") __failure __msg("must be a known constant")
int type_that_is_not_known(void *ctx)
{
	bpf_rdonly_cast(ctx, bpf_ktime_get_ns());
	return 0;
}

SEC("tc") __failure __msg("kfunc bpf_rdonly_cast type ID argument must be of a struct or void")
int type_that_is_no_struct(void *ctx)
{
	bpf_rdonly_cast(ctx, kernel_id(int));
	return 0;
}

LICENSE("GPL");
