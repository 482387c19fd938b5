/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel around a program does for it: one program per service, each returns something that tells. */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"

struct item {
	struct bpf_rb_node node;
	u64 key;
};

struct holder {
	struct bpf_timer timer;
	struct bpf_wq work;
};

struct { __uint(type, 1); __uint(max_entries, 4); __type(key, u32); __type(value, struct holder); } holders SEC(".maps");
struct inner { __uint(type, 2); __uint(max_entries, 1); __type(key, u32); __type(value, u32); };
struct inner first SEC(".maps"), second SEC(".maps");
struct {
	__uint(type, 12); __uint(max_entries, 2); __type(key, u32); __type(value, u32);
	struct inner *values[];
} outer SEC(".maps") = { .values = { &first, &second } };
struct { __uint(type, 31); __uint(max_entries, 4096); } samples SEC(".maps");
int tail_target(struct __sk_buff *skb);
struct {
	__uint(type, 3); __uint(max_entries, 2); __uint(key_size, 4); __uint(value_size, 4);
	int (*values[])(void *);
} programs SEC(".maps") = { .values = { [1] = (void *)&tail_target } };

#define __contains(type, field) __attribute__((btf_decl_tag("contains:" #type ":" #field)))
static struct bpf_spin_lock lock SEC(".data.tree") __attribute__((aligned(8)));
static struct bpf_rb_root root SEC(".data.tree") __attribute__((aligned(8))) __contains(item, node);

u64 fired, worked, drained, counted;

static int on_timer(void *map, u32 *key, struct holder *value)
{
	fired = *key;
	return 0;
}

static int on_work(void *map, int *key, void *value)
{
	worked = *key + 100;
	return 0;
}

SEC("syscall")
int start_later(void *ctx)
{
	struct holder empty = {}, *held;
	u32 key = 7;

	bpf_map_update_elem(&holders, &key, &empty, BPF_ANY);
	held = bpf_map_lookup_elem(&holders, &key);
	if (!held || bpf_timer_init(&held->timer, &holders, 1) || bpf_timer_set_callback(&held->timer, on_timer))
		return 1;
	if (bpf_wq_init(&held->work, &holders, 0) || bpf_wq_set_callback_impl(&held->work, on_work, 0, NULL))
		return 2;
	return bpf_timer_start(&held->timer, 1000, 0) | bpf_wq_start(&held->work, 0);
}

static bool less(struct bpf_rb_node *one, const struct bpf_rb_node *other)
{
	return ((struct item *)one)->key < ((const struct item *)other)->key;
}

static __always_inline int plant(u64 key)
{
	struct item *made = bpf_obj_new_impl(__builtin_btf_type_id(*(struct item *)0, 0), NULL);

	if (!made)
		return 1;
	made->key = key;
	bpf_spin_lock(&lock);
	bpf_rbtree_add_impl(&root, &made->node, less, NULL, 0);
	bpf_spin_unlock(&lock);
	return 0;
}

SEC("tc")
int least_of_a_tree(struct __sk_buff *skb)
{
	struct bpf_rb_node *node;
	int least = -1;

	if (plant(30) || plant(10) || plant(20))
		return -2;
	bpf_spin_lock(&lock);
	node = bpf_rbtree_first(&root);
	if (node)
		least = ((struct item *)node)->key;
	bpf_spin_unlock(&lock);
	return least;
}

SEC("tc")
int slice_of_a_packet(struct __sk_buff *skb)
{
	struct bpf_dynptr ptr;
	u8 buffer[4], *bytes;
	int found = -1;

	bpf_dynptr_from_skb(skb, 0, &ptr);
	bytes = bpf_dynptr_slice_rdwr(&ptr, 20, buffer, sizeof(buffer));
	if (bytes) {
		found = bytes[0];
		bytes[1] = 0xee;
	}
	return found;
}

SEC("tc")
int tail_caller(struct __sk_buff *skb)
{
	((long (*)(void *, void *, u32))12)(skb, &programs, 1);
	return -1;
}

SEC("tc")
int tail_target(struct __sk_buff *skb)
{
	return 42;
}

SEC("tc")
int through_the_outer_map(struct __sk_buff *skb)
{
	u32 index = 1, zero = 0, *value;
	void *map = bpf_map_lookup_elem(&outer, &index);

	if (!map)
		return -1;
	value = bpf_map_lookup_elem(map, &zero);
	if (!value)
		return -2;
	*value = 5;
	return 0;
}

static long on_sample(struct bpf_dynptr *sample, void *ctx)
{
	u8 *byte = bpf_dynptr_data(sample, 0, 1);

	if (byte)
		drained += *byte;
	return 0;
}

SEC("syscall")
int drain(void *ctx)
{
	return ((long (*)(void *, void *, void *, u64))209)(&samples, on_sample, NULL, 0);
}

SEC("syscall")
int not_emulated(void *ctx)
{
	return ((long (*)(u32))168)(9);
}

SEC("xdp")
int behind_a_new_header(struct xdp_md *ctx)
{
	u8 *data, *end;

	if (((long (*)(void *, int))44)(ctx, -4))
		return 0;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + 8 > end)
		return 1;
	data[0] = 0xab;
	return data[4] == 0 ? 2 : 3;
}

SEC("struct_ops/test_1")
int BPF_PROG(next_state, struct bpf_dummy_ops_state *state)
{
	if (!state)
		return -1;
	state->val++;
	return state->val;
}

SEC(".struct_ops")
struct bpf_dummy_ops dummy = { .test_1 = (void *)next_state };

SEC("fentry/bpf_dummy_test_sleepable")
int count_arguments(u64 *ctx)
{
	u64 first = 0;

	((long (*)(void *, u32, u64 *))183)(ctx, 0, &first);
	counted = ((long (*)(void *))185)(ctx) * 100 + first;
	return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(has_a_name, struct task_struct *task, u64 clone_flags)
{
	return bpf_strncmp(task->comm, sizeof(task->comm), "") + clone_flags;
}

LICENSE("GPL");
