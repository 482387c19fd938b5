/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes clang record every type and function of emulated.h in BTF: functions get a body, each type a variable.
 * The variables (__root_*) and everything that only they need are dropped again by the build.
 */
#define FUNC_BODY { for (;;) {} }
#include "emulated.h"

#define ROOT(type, name) type __root_##name

ROOT(struct anon_vma, anon_vma);
ROOT(struct completion, completion);
ROOT(struct mempolicy, mempolicy);
ROOT(struct signal_struct, signal_struct);
ROOT(struct vm_operations_struct, vm_operations_struct);
ROOT(struct inode, inode);
ROOT(struct file, file);
ROOT(enum psi_states, psi_states);
ROOT(struct psi_group, psi_group);
ROOT(struct kernfs_node, kernfs_node);
ROOT(struct cgroup_subsys_state, cgroup_subsys_state);
ROOT(struct cgroup, cgroup);
ROOT(struct css_set, css_set);
ROOT(struct mm_struct, mm_struct);
ROOT(struct vm_area_struct, vm_area_struct);
ROOT(struct task_struct, task_struct);
ROOT(struct bpf_map, bpf_map);
ROOT(struct bpf_struct_ops_bpf_thp_ops, bpf_thp_ops);
ROOT(struct bpf_struct_ops_bpf_dummy_ops, bpf_dummy_ops);
ROOT(s8, s8);
ROOT(u8, u8);
ROOT(s16, s16);
ROOT(u16, u16);
ROOT(s32, s32);
ROOT(u32, u32);
ROOT(bool, boolean);
ROOT(atomic_long_t, atomic_long_t);
ROOT(struct bpf_spin_lock, bpf_spin_lock);
ROOT(struct bpf_refcount, bpf_refcount);
ROOT(struct bpf_timer, bpf_timer);
ROOT(struct bpf_flow_keys, bpf_flow_keys);
ROOT(struct bpf_sock, bpf_sock);
ROOT(btf_trace_task_newtask, task_newtask);
