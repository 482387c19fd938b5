/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pointers to the kernel's own structures: typed, trusted or not. */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"
#include "expect.h"

SEC("tp_btf/task_newtask") __success
int field_of_a_struct(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	return task->group_leader->pid & 0;
}

SEC("tp_btf/task_newtask") __success
int trusted_argument(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	task = bpf_task_acquire(task);
	if (task)
		bpf_task_release(task);
	return 0;
}

SEC("tp_btf/task_newtask") __failure __msg("R1 must be a rcu pointer")
int walked_to_is_not_trusted(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	task = bpf_task_acquire(task->mm->owner);
	if (task)
		bpf_task_release(task);
	return 0;
}

SEC("tp_btf/task_newtask") __failure __msg("only read is supported")
int written(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	*(volatile int *)&task->pid = 0;
	return 0;
}

SEC("tp_btf/task_newtask") __failure __msg("access beyond struct task_struct")
__naked int behind_the_struct(void)
{
	asm volatile("r1 = *(u64 *)(r1 + 0); r0 = *(u8 *)(r1 + 32760); r0 = 0; exit;");
}

SEC("tp_btf/task_newtask") __failure __msg("func 'task_newtask' doesn't have 3-th argument")
__naked int argument_it_does_not_have(void)
{
	asm volatile("r0 = *(u64 *)(r1 + 16); r0 = 0; exit;");
}

SEC("syscall") __success
int under_rcu(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	bpf_rcu_read_lock();
	task = bpf_task_acquire(task->group_leader);
	bpf_rcu_read_unlock();
	if (task)
		bpf_task_release(task);
	return 0;
}

SEC("syscall") __failure __msg("R1 must be a rcu pointer")
int not_under_rcu(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	task = bpf_task_acquire(task->group_leader);
	if (task)
		bpf_task_release(task);
	return 0;
}

SEC("syscall") __failure __msg("R1 must be a rcu pointer")
int after_rcu(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	bpf_rcu_read_lock();
	task = task->group_leader;
	bpf_rcu_read_unlock();
	task = bpf_task_acquire(task);
	if (task)
		bpf_task_release(task);
	return 0;
}

LICENSE("GPL");
