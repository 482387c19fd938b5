#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

typedef int __kernel_pid_t;

typedef __kernel_pid_t pid_t;

struct vm_area_struct;

enum tva_type {
	TVA_SMAPS = 0,
	TVA_PAGEFAULT = 1,
	TVA_KHUGEPAGED = 2,
	TVA_FORCED_COLLAPSE = 3,
};

typedef int thp_order_fn_t(struct vm_area_struct *, enum tva_type, unsigned long);

struct list_head;

struct list_head {
	struct list_head *next;
	struct list_head *prev;
};

struct bpf_thp_ops {
	pid_t pid;
	thp_order_fn_t *thp_get_order;
	struct list_head mm_list;
};

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
