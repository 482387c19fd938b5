/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N2: a licence that is not compatible with the GPL.
 *
 * Every struct_ops program needs one that is, whichever helpers it calls.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC("struct_ops/thp_get_order")
int BPF_PROG(n02, struct vm_area_struct *vma, enum tva_type type, unsigned long orders)
{
	return PMD_ORDER;
}

SEC(".struct_ops.link")
struct bpf_thp_ops licence = {
	.thp_get_order = (void *)n02,
};

LICENSE("Proprietary");
