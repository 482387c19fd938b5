/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the emulated kernel has for every BPF program: the contexts that packet programs see, the types whose names the
 * verifier knows, and the kernel functions of kernel/bpf/helpers.c and its neighbours (Linux 6.18).
 *
 * Names of parameters are interface: the verifier reads their suffixes (__ign, __k, __szk, __uninit, ...).
 * Included by emulated.h, which defines the scalars and FUNC_BODY.
 */
#ifndef EMULATED_BPF_H
#define EMULATED_BPF_H

/* ---------------------------------------------------------------- contexts (include/uapi/linux/bpf.h) */

typedef __u16 __be16;
typedef __u32 __be32;

struct bpf_flow_keys {
	__u16 nhoff, thoff, addr_proto;
	__u8 is_frag, is_first_frag, is_encap, ip_proto;
	__be16 n_proto, sport, dport;
	union {
		struct { __be32 ipv4_src, ipv4_dst; };
		struct { __u32 ipv6_src[4], ipv6_dst[4]; };
	};
	__u32 flags;
	__be32 flow_label;
};

struct bpf_sock {
	__u32 bound_dev_if, family, type, protocol, mark, priority, src_ip4, src_ip6[4], src_port;
	__be16 dst_port;
	__u16 : 16;
	__u32 dst_ip4, dst_ip6[4], state;
	__s32 rx_queue_mapping;
};

SIZE(struct bpf_flow_keys, 56);
SIZE(struct bpf_sock, 80);

struct __sk_buff {
	__u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	__u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end, napi_id;
	__u32 family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port;
	__u32 data_meta;
	union { struct bpf_flow_keys *flow_keys; __u64 : 64; } __attribute__((aligned(8)));
	__u64 tstamp;
	__u32 wire_len, gso_segs;
	union { struct bpf_sock *sk; __u64 : 64; } __attribute__((aligned(8)));
	__u32 gso_size;
	__u8 tstamp_type;
	__u32 : 24;
	__u64 hwtstamp;
};

AT(struct __sk_buff, data, 76);
AT(struct __sk_buff, data_meta, 140);
AT(struct __sk_buff, sk, 168);
SIZE(struct __sk_buff, 192);

struct xdp_md {
	__u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

SIZE(struct xdp_md, 24);

/* ---------------------------------------------------------------- types with a meaning to the verifier */

struct bpf_spin_lock { __u32 val; };
struct bpf_res_spin_lock { __u32 val; };
struct bpf_refcount { __u32 __opaque[1]; } __attribute__((aligned(4)));
struct bpf_timer { __u64 __opaque[2]; } __attribute__((aligned(8)));
struct bpf_wq { __u64 __opaque[2]; } __attribute__((aligned(8)));
struct bpf_dynptr { __u64 __opaque[2]; } __attribute__((aligned(8)));
struct bpf_list_head { __u64 __opaque[2]; } __attribute__((aligned(8)));
struct bpf_list_node { __u64 __opaque[3]; } __attribute__((aligned(8)));
struct bpf_rb_root { __u64 __opaque[2]; } __attribute__((aligned(8)));
struct bpf_rb_node { __u64 __opaque[4]; } __attribute__((aligned(8)));
struct bpf_iter_num { __u64 __opaque[1]; } __attribute__((aligned(8)));
struct bpf_iter_bits { __u64 __opaque[2]; } __attribute__((aligned(8)));
struct bpf_iter_task { __u64 __opaque[3]; } __attribute__((aligned(8)));

SIZE(struct bpf_list_node, 24);
SIZE(struct bpf_rb_node, 32);
SIZE(struct bpf_iter_bits, 16);

/* ---------------------------------------------------------------- tracepoints (include/trace/bpf_probe.h) */

struct task_struct;
typedef void (*btf_trace_task_newtask)(void *__data, struct task_struct *task, unsigned long clone_flags);

/* ---------------------------------------------------------------- kernel functions */

/* A function that keeps the caller's registers: its calls may be inlined (KF_FASTCALL). */
#define __bpf_fastcall __attribute__((btf_decl_tag("bpf_fastcall")))

struct bpf_map;

__bpf_kfunc int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) FUNC_BODY
__bpf_kfunc int *bpf_iter_num_next(struct bpf_iter_num *it) FUNC_BODY
__bpf_kfunc void bpf_iter_num_destroy(struct bpf_iter_num *it) FUNC_BODY
__bpf_kfunc int bpf_iter_bits_new(struct bpf_iter_bits *it, const u64 *unsafe_ptr__ign, u32 nr_words) FUNC_BODY
__bpf_kfunc int *bpf_iter_bits_next(struct bpf_iter_bits *it) FUNC_BODY
__bpf_kfunc void bpf_iter_bits_destroy(struct bpf_iter_bits *it) FUNC_BODY
__bpf_kfunc int bpf_iter_task_new(struct bpf_iter_task *it, struct task_struct *task__nullable,
			unsigned int flags) FUNC_BODY
__bpf_kfunc struct task_struct *bpf_iter_task_next(struct bpf_iter_task *it) FUNC_BODY
__bpf_kfunc void bpf_iter_task_destroy(struct bpf_iter_task *it) FUNC_BODY

__bpf_kfunc int bpf_dynptr_adjust(const struct bpf_dynptr *p, u32 start, u32 end) FUNC_BODY
__bpf_kfunc int bpf_dynptr_clone(const struct bpf_dynptr *p, struct bpf_dynptr *clone__uninit) FUNC_BODY
__bpf_kfunc bool bpf_dynptr_is_null(const struct bpf_dynptr *p) FUNC_BODY
__bpf_kfunc bool bpf_dynptr_is_rdonly(const struct bpf_dynptr *p) FUNC_BODY
__bpf_kfunc __u32 bpf_dynptr_size(const struct bpf_dynptr *p) FUNC_BODY
__bpf_kfunc void *bpf_dynptr_slice(const struct bpf_dynptr *p, u32 offset, void *buffer__opt,
			u32 buffer__szk) FUNC_BODY
__bpf_kfunc void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *p, u32 offset, void *buffer__opt,
			u32 buffer__szk) FUNC_BODY
__bpf_kfunc int bpf_dynptr_from_skb(struct __sk_buff *s, u64 flags, struct bpf_dynptr *ptr__uninit) FUNC_BODY
__bpf_kfunc int bpf_dynptr_from_xdp(struct xdp_md *x, u64 flags, struct bpf_dynptr *ptr__uninit) FUNC_BODY

__bpf_kfunc void *bpf_obj_new_impl(u64 local_type_id__k, void *meta__ign) FUNC_BODY
__bpf_kfunc void bpf_obj_drop_impl(void *p__alloc, void *meta__ign) FUNC_BODY
__bpf_kfunc void *bpf_percpu_obj_new_impl(u64 local_type_id__k, void *meta__ign) FUNC_BODY
__bpf_kfunc void bpf_percpu_obj_drop_impl(void *p__alloc, void *meta__ign) FUNC_BODY
__bpf_kfunc void *bpf_refcount_acquire_impl(void *p__refcounted_kptr, void *meta__ign) FUNC_BODY
__bpf_kfunc int bpf_list_push_front_impl(struct bpf_list_head *head, struct bpf_list_node *node,
			void *meta__ign, u64 off) FUNC_BODY
__bpf_kfunc int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node,
			void *meta__ign, u64 off) FUNC_BODY
__bpf_kfunc struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head) FUNC_BODY
__bpf_kfunc struct bpf_list_node *bpf_list_pop_back(struct bpf_list_head *head) FUNC_BODY
__bpf_kfunc int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *node,
			bool (*less)(struct bpf_rb_node *, const struct bpf_rb_node *), void *meta__ign, u64 off) FUNC_BODY
__bpf_kfunc struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root) FUNC_BODY
__bpf_kfunc struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root, struct bpf_rb_node *node) FUNC_BODY

__bpf_kfunc int bpf_res_spin_lock(struct bpf_res_spin_lock *lock) FUNC_BODY
__bpf_kfunc void bpf_res_spin_unlock(struct bpf_res_spin_lock *lock) FUNC_BODY
__bpf_kfunc void bpf_preempt_disable(void) FUNC_BODY
__bpf_kfunc void bpf_preempt_enable(void) FUNC_BODY
__bpf_kfunc void bpf_local_irq_save(unsigned long *flags__irq_flag) FUNC_BODY
__bpf_kfunc void bpf_local_irq_restore(unsigned long *flags__irq_flag) FUNC_BODY

__bpf_kfunc int bpf_wq_init(struct bpf_wq *wq, void *p__map, unsigned int flags) FUNC_BODY
__bpf_kfunc int bpf_wq_set_callback_impl(struct bpf_wq *wq, int (*callback_fn)(void *, int *, void *),
			unsigned int flags, void *aux__prog) FUNC_BODY
__bpf_kfunc int bpf_wq_start(struct bpf_wq *wq, unsigned int flags) FUNC_BODY

__bpf_kfunc void *bpf_arena_alloc_pages(void *p__map, void *addr__ign, u32 page_cnt, int node_id, u64 flags) FUNC_BODY
__bpf_kfunc void bpf_arena_free_pages(void *p__map, void *ptr__ign, u32 page_cnt) FUNC_BODY
__bpf_kfunc __bpf_fastcall void *bpf_cast_to_kern_ctx(void *obj) FUNC_BODY
__bpf_kfunc __bpf_fastcall void *bpf_rdonly_cast(const void *obj__ign, u32 btf_id__k) FUNC_BODY
__bpf_kfunc void bpf_throw(u64 cookie) FUNC_BODY

#endif
