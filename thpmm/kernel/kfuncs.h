/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * More kernel functions that the emulated kernel has for every BPF program (Linux 6.18: kernel/bpf/helpers.c,
 * cpumask.c, arena.c, task_iter.c, cgroup_iter.c, rqspinlock.c, kernel/trace/bpf_trace.c, net/core/filter.c).
 *
 * Names of parameters are interface, as in bpf.h. Included by emulated.h behind all types.
 */
#ifndef EMULATED_KFUNCS_H
#define EMULATED_KFUNCS_H

struct cpumask { unsigned long bits[4]; };
struct bpf_cpumask { struct cpumask cpumask; HOLE(32, 8); } __attribute__((aligned(8)));
struct bpf_iter_css { __u64 __opaque[3]; } __attribute__((aligned(8)));
struct bpf_iter_css_task { __u64 __opaque[1]; } __attribute__((aligned(8)));
struct bpf_iter_task_vma { __u64 __opaque[1]; } __attribute__((aligned(8)));

SIZE(struct bpf_cpumask, 40);

__bpf_kfunc int bpf_arena_reserve_pages(void *p__map, void *ptr__ign, u32 page_cnt) FUNC_BODY
__bpf_kfunc struct bpf_cpumask *bpf_cpumask_create(void) FUNC_BODY
__bpf_kfunc struct bpf_cpumask *bpf_cpumask_acquire(struct bpf_cpumask *cpumask) FUNC_BODY
__bpf_kfunc void bpf_cpumask_release(struct bpf_cpumask *cpumask) FUNC_BODY
__bpf_kfunc u32 bpf_cpumask_first(const struct cpumask *cpumask) FUNC_BODY
__bpf_kfunc u32 bpf_cpumask_first_zero(const struct cpumask *cpumask) FUNC_BODY
__bpf_kfunc u32 bpf_cpumask_first_and(const struct cpumask *src1, const struct cpumask *src2) FUNC_BODY
__bpf_kfunc void bpf_cpumask_set_cpu(u32 cpu, struct bpf_cpumask *cpumask) FUNC_BODY
__bpf_kfunc void bpf_cpumask_clear_cpu(u32 cpu, struct bpf_cpumask *cpumask) FUNC_BODY
__bpf_kfunc bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *cpumask) FUNC_BODY
__bpf_kfunc bool bpf_cpumask_test_and_set_cpu(u32 cpu, struct bpf_cpumask *cpumask) FUNC_BODY
__bpf_kfunc bool bpf_cpumask_test_and_clear_cpu(u32 cpu, struct bpf_cpumask *cpumask) FUNC_BODY
__bpf_kfunc void bpf_cpumask_setall(struct bpf_cpumask *cpumask) FUNC_BODY
__bpf_kfunc void bpf_cpumask_clear(struct bpf_cpumask *cpumask) FUNC_BODY
__bpf_kfunc void bpf_cpumask_copy(struct bpf_cpumask *dst, const struct cpumask *src) FUNC_BODY
__bpf_kfunc bool bpf_cpumask_and(struct bpf_cpumask *dst, const struct cpumask *src1, const struct cpumask
			*src2) FUNC_BODY
__bpf_kfunc void bpf_cpumask_or(struct bpf_cpumask *dst, const struct cpumask *src1, const struct cpumask *src2)
			FUNC_BODY
__bpf_kfunc void bpf_cpumask_xor(struct bpf_cpumask *dst, const struct cpumask *src1, const struct cpumask
			*src2) FUNC_BODY
__bpf_kfunc bool bpf_cpumask_equal(const struct cpumask *src1, const struct cpumask *src2) FUNC_BODY
__bpf_kfunc bool bpf_cpumask_intersects(const struct cpumask *src1, const struct cpumask *src2) FUNC_BODY
__bpf_kfunc bool bpf_cpumask_subset(const struct cpumask *src1, const struct cpumask *src2) FUNC_BODY
__bpf_kfunc bool bpf_cpumask_empty(const struct cpumask *cpumask) FUNC_BODY
__bpf_kfunc bool bpf_cpumask_full(const struct cpumask *cpumask) FUNC_BODY
__bpf_kfunc u32 bpf_cpumask_weight(const struct cpumask *cpumask) FUNC_BODY
__bpf_kfunc u32 bpf_cpumask_any_distribute(const struct cpumask *cpumask) FUNC_BODY
__bpf_kfunc u32 bpf_cpumask_any_and_distribute(const struct cpumask *src1, const struct cpumask *src2) FUNC_BODY
__bpf_kfunc int bpf_cpumask_populate(struct cpumask *cpumask, void *src, unsigned long src__sz) FUNC_BODY
__bpf_kfunc int bpf_dynptr_from_skb_meta(struct __sk_buff *skb_, u64 flags, struct bpf_dynptr *ptr__uninit)
			FUNC_BODY
__bpf_kfunc int bpf_dynptr_copy(struct bpf_dynptr *dst_ptr, u32 dst_off, struct bpf_dynptr *src_ptr, u32
			src_off, u32 size) FUNC_BODY
__bpf_kfunc int bpf_dynptr_memset(struct bpf_dynptr *p, u32 offset, u32 size, u8 val) FUNC_BODY
__bpf_kfunc int bpf_probe_read_kernel_dynptr(struct bpf_dynptr *dptr, u32 off, u32 size, const void
			*unsafe_ptr__ign) FUNC_BODY
__bpf_kfunc int bpf_probe_read_kernel_str_dynptr(struct bpf_dynptr *dptr, u32 off, u32 size, const void
			*unsafe_ptr__ign) FUNC_BODY
__bpf_kfunc int bpf_probe_read_user_dynptr(struct bpf_dynptr *dptr, u32 off, u32 size, const void
			*unsafe_ptr__ign) FUNC_BODY
__bpf_kfunc int bpf_probe_read_user_str_dynptr(struct bpf_dynptr *dptr, u32 off, u32 size, const void
			*unsafe_ptr__ign) FUNC_BODY
__bpf_kfunc int bpf_copy_from_user_dynptr(struct bpf_dynptr *dptr, u32 off, u32 size, const void
			*unsafe_ptr__ign) FUNC_BODY
__bpf_kfunc int bpf_copy_from_user_str_dynptr(struct bpf_dynptr *dptr, u32 off, u32 size, const void
			*unsafe_ptr__ign) FUNC_BODY
__bpf_kfunc struct vm_area_struct *bpf_iter_task_vma_next(struct bpf_iter_task_vma *it) FUNC_BODY
__bpf_kfunc void bpf_iter_task_vma_destroy(struct bpf_iter_task_vma *it) FUNC_BODY
__bpf_kfunc struct cgroup_subsys_state *bpf_iter_css_next(struct bpf_iter_css *it) FUNC_BODY
__bpf_kfunc void bpf_iter_css_destroy(struct bpf_iter_css *it) FUNC_BODY
__bpf_kfunc struct task_struct *bpf_iter_css_task_next(struct bpf_iter_css_task *it) FUNC_BODY
__bpf_kfunc void bpf_iter_css_task_destroy(struct bpf_iter_css_task *it) FUNC_BODY
__bpf_kfunc int bpf_iter_task_vma_new(struct bpf_iter_task_vma *it, struct task_struct *task, u64 addr)
			FUNC_BODY
__bpf_kfunc int bpf_iter_css_new(struct bpf_iter_css *it, struct cgroup_subsys_state *start, unsigned int flags)
			FUNC_BODY
__bpf_kfunc int bpf_iter_css_task_new(struct bpf_iter_css_task *it, struct cgroup_subsys_state *css, unsigned
			int flags) FUNC_BODY
__bpf_kfunc struct bpf_list_node *bpf_list_front(struct bpf_list_head *head) FUNC_BODY
__bpf_kfunc struct bpf_list_node *bpf_list_back(struct bpf_list_head *head) FUNC_BODY
__bpf_kfunc struct bpf_rb_node *bpf_rbtree_root(struct bpf_rb_root *root) FUNC_BODY
__bpf_kfunc struct bpf_rb_node *bpf_rbtree_left(struct bpf_rb_root *root, struct bpf_rb_node *node) FUNC_BODY
__bpf_kfunc struct bpf_rb_node *bpf_rbtree_right(struct bpf_rb_root *root, struct bpf_rb_node *node) FUNC_BODY
__bpf_kfunc s64 bpf_map_sum_elem_count(const struct bpf_map *map) FUNC_BODY
__bpf_kfunc int bpf_res_spin_lock_irqsave(struct bpf_res_spin_lock *lock, unsigned long *flags__irq_flag)
			FUNC_BODY
__bpf_kfunc void bpf_res_spin_unlock_irqrestore(struct bpf_res_spin_lock *lock, unsigned long *flags__irq_flag)
			FUNC_BODY
__bpf_kfunc int bpf_strcmp(const char *s1__ign, const char *s2__ign) FUNC_BODY
__bpf_kfunc int bpf_strcasecmp(const char *s1__ign, const char *s2__ign) FUNC_BODY
__bpf_kfunc int bpf_strchr(const char *s__ign, char c) FUNC_BODY
__bpf_kfunc int bpf_strnchr(const char *s__ign, unsigned long count, char c) FUNC_BODY
__bpf_kfunc int bpf_strchrnul(const char *s__ign, char c) FUNC_BODY
__bpf_kfunc int bpf_strrchr(const char *s__ign, int c) FUNC_BODY
__bpf_kfunc int bpf_strnlen(const char *s__ign, unsigned long count) FUNC_BODY
__bpf_kfunc int bpf_strlen(const char *s__ign) FUNC_BODY
__bpf_kfunc int bpf_strspn(const char *s__ign, const char *accept__ign) FUNC_BODY
__bpf_kfunc int bpf_strcspn(const char *s__ign, const char *reject__ign) FUNC_BODY
__bpf_kfunc int bpf_strstr(const char *s1__ign, const char *s2__ign) FUNC_BODY
__bpf_kfunc int bpf_strnstr(const char *s1__ign, const char *s2__ign, unsigned long len) FUNC_BODY

#endif
