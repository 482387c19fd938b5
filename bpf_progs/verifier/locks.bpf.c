/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Spin locks: one at a time, in the value they protect, released before the exit. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

struct locked {
	struct bpf_spin_lock lock;
	int count;
};

MAP(values, 2, int, struct locked, 1, 0);

#define LOOKUP                                                                                             \
	int key = 0;                                                                                       \
	struct locked *value = bpf_map_lookup_elem(&values, &key);                                         \
	if (!value)                                                                                        \
		return 0;

SEC("tc") __success
int locked_and_unlocked(void *ctx)
{
	LOOKUP
	bpf_spin_lock(&value->lock);
	value->count++;
	bpf_spin_unlock(&value->lock);
	return 0;
}

SEC("tc") __failure __msg("BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region")
int never_unlocked(void *ctx)
{
	LOOKUP
	bpf_spin_lock(&value->lock);
	return 0;
}

SEC("tc") __failure __msg("function calls are not allowed while holding a lock")
int locked_twice(void *ctx)
{
	LOOKUP
	bpf_spin_lock(&value->lock);
	bpf_spin_lock(&value->lock);
	bpf_spin_unlock(&value->lock);
	return 0;
}

SEC("tc") __failure __msg("bpf_spin_unlock without taking a lock")
int never_locked(void *ctx)
{
	LOOKUP
	bpf_spin_unlock(&value->lock);
	return 0;
}

SEC("tc") __failure __msg("bpf_spin_lock cannot be accessed directly by load/store")
int read_as_a_number(void *ctx)
{
	LOOKUP
	return *(volatile int *)&value->lock;
}

SEC("tc") __failure __msg("function calls are not allowed while holding a lock")
int call_under_the_lock(void *ctx)
{
	LOOKUP
	bpf_spin_lock(&value->lock);
	bpf_ktime_get_ns();
	bpf_spin_unlock(&value->lock);
	return 0;
}

LICENSE("GPL");
