/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N4: takes the address of a field of mm->owner without testing owner.
 *
 * With the trust marks owner is an "RCU pointer or NULL": an mm outlives the task that owns it. Even forming the
 * address &owner->comm is refused. Linux 6.18 has no mark on mm_struct.owner and accepts the program.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops/thp_get_order")
int BPF_PROG(n04, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	struct mm_struct *mm = vma->vm_mm;
	char comm[16];

	if (!mm)
		return NO_THP;
	bpf_probe_read_kernel(comm, sizeof(comm), &mm->owner->comm);
	return comm[0] == 'r' ? PMD_ORDER : NO_THP;
}

SEC(".struct_ops.link")
struct bpf_thp_ops unchecked_owner = {
	.thp_get_order = (void *)n04,
};

LICENSE("GPL");
