/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Locks that may fail (bpf_res_spin_lock): held only where the result was 0, several at once, last in first out. */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"
#include "expect.h"

struct locked {
	struct bpf_res_spin_lock lock;
	int count;
};

MAP(first, 2, int, struct locked, 1, 0);
MAP(second, 2, int, struct locked, 1, 0);

#define LOOKUP                                                                                             \
	int key = 0;                                                                                       \
	struct locked *one = bpf_map_lookup_elem(&first, &key), *two = bpf_map_lookup_elem(&second, &key); \
	if (!one || !two)                                                                                  \
		return 0;

SEC("tc") __success
int both_in_order(void *ctx)
{
	LOOKUP
	if (bpf_res_spin_lock(&one->lock))
		return 0;
	if (!bpf_res_spin_lock(&two->lock)) {
		two->count++;
		bpf_res_spin_unlock(&two->lock);
	}
	bpf_res_spin_unlock(&one->lock);
	return 0;
}

SEC("tc") __failure __msg("bpf_res_spin_unlock cannot be out of order")
int out_of_order(void *ctx)
{
	LOOKUP
	if (bpf_res_spin_lock(&one->lock))
		return 0;
	if (!bpf_res_spin_lock(&two->lock)) {
		bpf_res_spin_unlock(&one->lock);
		bpf_res_spin_unlock(&two->lock);
		return 0;
	}
	bpf_res_spin_unlock(&one->lock);
	return 0;
}

SEC("tc") __failure __msg("bpf_res_spin_unlock without taking a lock")
int result_not_compared(void *ctx)
{
	LOOKUP
	(void)two;
	bpf_res_spin_lock(&one->lock);
	bpf_res_spin_unlock(&one->lock);
	return 0;
}

SEC("tc") __failure __msg("Acquiring the same lock again, AA deadlock detected")
int the_same_again(void *ctx)
{
	LOOKUP
	(void)two;
	if (bpf_res_spin_lock(&one->lock))
		return 0;
	if (!bpf_res_spin_lock(&one->lock))
		bpf_res_spin_unlock(&one->lock);
	bpf_res_spin_unlock(&one->lock);
	return 0;
}

LICENSE("GPL");
