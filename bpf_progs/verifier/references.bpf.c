/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What was acquired is released once, on every path. */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"
#include "expect.h"

SEC("syscall") __success
int acquired_and_released(void *ctx)
{
	struct task_struct *task = bpf_task_from_pid(1);

	if (task)
		bpf_task_release(task);
	return 0;
}

SEC("syscall") __failure __msg("Unreleased reference")
int lost_on_one_path(void *ctx)
{
	struct task_struct *task = bpf_task_from_pid(1);

	if (!task)
		return 0;
	if (*(volatile u64 *)&task->start_time)
		bpf_task_release(task);
	return 0;
}

SEC("syscall") __failure __msg("Possibly NULL pointer passed to trusted arg0")
int maybe_null(void *ctx)
{
	bpf_task_release(bpf_task_from_pid(1));
	return 0;
}

SEC("syscall") __failure __msg("arg#0 pointer type STRUCT task_struct must point to scalar, or struct with scalar")
int released_twice(void *ctx)
{
	struct task_struct *task = bpf_task_from_pid(1);

	if (!task)
		return 0;
	bpf_task_release(task);
	bpf_task_release(task);
	return 0;
}

SEC("tp_btf/task_newtask") __failure __msg("release kernel function bpf_task_release expects refcounted PTR_TO_BTF_ID")
int not_acquired(u64 *ctx)
{
	bpf_task_release((void *)ctx[0]);
	return 0;
}

LICENSE("GPL");
