/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What may sleep, and what must not. */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"
#include "expect.h"

SEC("syscall") __success
int sleeps_where_it_may(void *ctx)
{
	char byte;

	return bpf_copy_from_user(&byte, 1, NULL) & 0;
}

SEC("tp_btf/task_newtask") __failure __msg("helper call might sleep in a non-sleepable prog")
int sleeps_where_it_must_not(u64 *ctx)
{
	char byte;

	return bpf_copy_from_user(&byte, 1, NULL);
}

SEC("syscall") __failure __msg("sleepable helper bpf_copy_from_user#148 in rcu_read_lock region")
int sleeps_under_rcu(void *ctx)
{
	char byte;

	bpf_rcu_read_lock();
	bpf_copy_from_user(&byte, 1, NULL);
	bpf_rcu_read_unlock();
	return 0;
}

LICENSE("GPL");
