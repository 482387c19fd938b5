/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* RCU, preemption and interrupts: regions that a program opens and must close. */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"
#include "expect.h"

SEC("tc") __success
int rcu_opened_and_closed(void *ctx)
{
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	return 0;
}

SEC("syscall") __failure __msg("BPF_EXIT instruction in main prog cannot be used inside bpf_rcu_read_lock-ed region")
int rcu_left_open(void *ctx)
{
	bpf_rcu_read_lock();
	return 0;
}

SEC("syscall") __failure __msg("unmatched rcu read unlock (kernel function bpf_rcu_read_unlock)")
int rcu_closed_only(void *ctx)
{
	bpf_rcu_read_unlock();
	return 0;
}

SEC("tc") __success
int preemption_nests(void *ctx)
{
	bpf_preempt_disable();
	bpf_preempt_disable();
	bpf_preempt_enable();
	bpf_preempt_enable();
	return 0;
}

SEC("tc") __failure __msg("BPF_EXIT instruction in main prog cannot be used inside bpf_preempt_disable-ed region")
int preemption_left_off(void *ctx)
{
	bpf_preempt_disable();
	return 0;
}

SEC("syscall") __failure __msg("sleepable helper bpf_copy_from_user#148 in non-preemptible region")
int sleeps_without_preemption(void *ctx)
{
	char byte;

	bpf_preempt_disable();
	bpf_copy_from_user(&byte, 1, NULL);
	bpf_preempt_enable();
	return 0;
}

SEC("tc") __success
int interrupts_saved_and_restored(void *ctx)
{
	unsigned long flags;

	bpf_local_irq_save(&flags);
	bpf_local_irq_restore(&flags);
	return 0;
}

SEC("tc") __failure __msg("BPF_EXIT instruction in main prog cannot be used inside bpf_local_irq_save-ed region")
int interrupts_left_off(void *ctx)
{
	unsigned long flags;

	bpf_local_irq_save(&flags);
	return 0;
}

SEC("tc") __failure __msg("cannot restore irq state out of order")
int interrupts_out_of_order(void *ctx)
{
	unsigned long outer, inner;

	bpf_local_irq_save(&outer);
	bpf_local_irq_save(&inner);
	bpf_local_irq_restore(&outer);
	bpf_local_irq_restore(&inner);
	return 0;
}

LICENSE("GPL");
