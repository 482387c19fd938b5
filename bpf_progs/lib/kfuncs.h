/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kernel functions that a struct_ops program may call (KF_* flags of Linux 6.18 in the margin).
 * What acquires must be matched by its release on every path, and a result that may be NULL must be tested.
 */
#ifndef BPFVM_KFUNCS_H
#define BPFVM_KFUNCS_H

extern struct task_struct *bpf_task_acquire(struct task_struct *p) __ksym;	/* acquire, RCU argument, may be NULL */
extern void bpf_task_release(struct task_struct *p) __ksym;			/* release */
extern struct task_struct *bpf_task_from_pid(s32 pid) __ksym;			/* acquire, may be NULL */
extern struct task_struct *bpf_task_from_vpid(s32 vpid) __ksym;			/* acquire, may be NULL */
extern struct cgroup *bpf_cgroup_acquire(struct cgroup *cgrp) __ksym;		/* acquire, RCU argument, may be NULL */
extern void bpf_cgroup_release(struct cgroup *cgrp) __ksym;			/* release */
extern struct cgroup *bpf_cgroup_from_id(u64 cgid) __ksym;			/* acquire, may be NULL */
extern struct cgroup *bpf_cgroup_ancestor(struct cgroup *cgrp, int level) __ksym; /* acquire, may be NULL */
extern long bpf_task_under_cgroup(struct task_struct *task, struct cgroup *ancestor) __ksym;	/* RCU arguments */
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

#endif
