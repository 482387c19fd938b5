/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N10: keeps a task reference.
 *
 * bpf_task_from_pid() takes one; it must be given back on every path to the exit.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"
#include "thp.h"

SEC("struct_ops/thp_get_order")
int BPF_PROG(n10, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	struct task_struct *init = bpf_task_from_pid(1);

	return init ? PMD_ORDER : NO_THP;
}

SEC(".struct_ops.link")
struct bpf_thp_ops leaked_task = {
	.thp_get_order = (void *)n10,
};

LICENSE("GPL");
