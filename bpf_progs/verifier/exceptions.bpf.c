/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* bpf_throw: an exit from anywhere, with nothing held. */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"
#include "expect.h"

SEC("tc") __success
int thrown(struct __sk_buff *skb)
{
	if (skb->len == 7)
		bpf_throw(1);
	return 0;
}

SEC("tc") __failure __msg("Unreleased reference")
int thrown_with_a_reference(struct __sk_buff *skb)
{
	struct task_struct *task = bpf_task_from_pid(1);

	if (!task)
		return 0;
	bpf_throw(1);
	bpf_task_release(task);
	return 0;
}

SEC("tc") __failure __msg("bpf_throw cannot be used inside bpf_rcu_read_lock-ed region")
int thrown_under_rcu(struct __sk_buff *skb)
{
	bpf_rcu_read_lock();
	bpf_throw(1);
	bpf_rcu_read_unlock();
	return 0;
}

LICENSE("GPL");
