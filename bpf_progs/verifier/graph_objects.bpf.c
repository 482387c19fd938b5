/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The program's own objects: allocated, linked into lists and trees under their lock. */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"
#include "expect.h"

struct item {
	long key;
	struct bpf_list_node node;
};

struct leaf {
	long key;
	struct bpf_rb_node node;
};

private(A) struct bpf_spin_lock lock;
private(A) struct bpf_list_head items __contains(item, node);
private(B) struct bpf_spin_lock tree_lock;
private(B) struct bpf_rb_root tree __contains(leaf, node);


SEC("tc") __success
int allocated_and_dropped(void *ctx)
{
	struct item *item = obj_new(struct item);

	if (item)
		obj_drop(item);
	return 0;
}

SEC("tc") __failure __msg("Unreleased reference")
int leaked(void *ctx)
{
	struct item *item = obj_new(struct item);

	return item ? 1 : 0;
}

SEC("tc") __success
int pushed_and_popped(void *ctx)
{
	struct item *item = obj_new(struct item);
	struct bpf_list_node *node;

	if (!item)
		return 0;
	bpf_spin_lock(&lock);
	bpf_list_push_front_impl(&items, &item->node, NULL, 0);
	node = bpf_list_pop_front(&items);
	bpf_spin_unlock(&lock);
	if (node)
		obj_drop(container_of(node, struct item, node));
	return 0;
}

SEC("tc") __failure __msg("must be held for bpf_list_head")
int pushed_without_the_lock(void *ctx)
{
	struct item *item = obj_new(struct item);

	if (item)
		bpf_list_push_front_impl(&items, &item->node, NULL, 0);
	return 0;
}

SEC("tc") __failure __msg("must be held for bpf_list_head")
int pushed_under_another_lock(void *ctx)
{
	struct item *item = obj_new(struct item);

	if (!item)
		return 0;
	bpf_spin_lock(&tree_lock);
	bpf_list_push_front_impl(&items, &item->node, NULL, 0);
	bpf_spin_unlock(&tree_lock);
	return 0;
}

static bool less(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct leaf, node)->key < container_of(b, struct leaf, node)->key;
}

SEC("tc") __success
int added_to_a_tree(void *ctx)
{
	struct leaf *leaf = obj_new(struct leaf);

	if (!leaf)
		return 0;
	bpf_spin_lock(&tree_lock);
	bpf_rbtree_add_impl(&tree, &leaf->node, less, NULL, 0);
	bpf_spin_unlock(&tree_lock);
	return 0;
}

SEC("tc") __failure __msg("must be held for bpf_rb_root")
int first_without_the_lock(void *ctx)
{
	return bpf_rbtree_first(&tree) ? 1 : 0;
}

SEC("tc") __failure __msg("Unreleased reference")
int removed_and_forgotten(void *ctx)
{
	struct bpf_rb_node *node;

	bpf_spin_lock(&tree_lock);
	node = bpf_rbtree_first(&tree);
	if (node)
		node = bpf_rbtree_remove(&tree, node);
	bpf_spin_unlock(&tree_lock);
	return node ? 1 : 0;
}

struct shared {
	long key;
	struct bpf_refcount count;
	struct bpf_list_node node;
};

private(C) struct bpf_spin_lock shared_lock;
private(C) struct bpf_list_head shared_items __contains(shared, node);

SEC("tc") __success
int second_reference(void *ctx)
{
	struct shared *one = obj_new(struct shared), *two;

	if (!one)
		return 0;
	two = bpf_refcount_acquire_impl(one, NULL);
	bpf_spin_lock(&shared_lock);
	bpf_list_push_front_impl(&shared_items, &one->node, NULL, 0);
	bpf_spin_unlock(&shared_lock);
	two->key = 1;
	obj_drop(two);
	return 0;
}

SEC("tc") __failure __msg("Unreleased reference")
int second_reference_forgotten(void *ctx)
{
	struct shared *one = obj_new(struct shared);

	if (!one)
		return 0;
	bpf_refcount_acquire_impl(one, NULL);
	obj_drop(one);
	return 0;
}

SEC("tc") __failure __msg("doesn't point to a type with bpf_refcount field")
int second_reference_to_an_item(void *ctx)
{
	struct item *item = obj_new(struct item);
	void *two;

	if (!item)
		return 0;
	two = bpf_refcount_acquire_impl(item, NULL);
	obj_drop(two);
	obj_drop(item);
	return 0;
}

SEC("tc") __failure __msg("R1 must be referenced")
int pushed_and_dropped(void *ctx)
{
	struct item *item = obj_new(struct item);

	if (!item)
		return 0;
	bpf_spin_lock(&lock);
	bpf_list_push_front_impl(&items, &item->node, NULL, 0);
	bpf_spin_unlock(&lock);
	obj_drop(item);
	return 0;
}

LICENSE("GPL");
