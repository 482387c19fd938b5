/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Work queues: functions that run later, in a context that may sleep. */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"
#include "expect.h"

struct queued {
	struct bpf_wq work;
};

MAP(values, 2, int, struct queued, 1, 0);
MAP(others, 2, int, struct queued, 1, 0);

static int later(void *map, int *key, void *value)
{
	char byte;

	bpf_copy_from_user(&byte, 1, NULL);
	return 0;
}

static int with_result(void *map, int *key, void *value)
{
	return 1;
}

#define LOOKUP                                                                                             \
	int key = 0;                                                                                       \
	struct queued *value = bpf_map_lookup_elem(&values, &key);                                         \
	if (!value)                                                                                        \
		return 0;

SEC("tc") __success
int may_sleep(void *ctx)
{
	LOOKUP
	bpf_wq_init(&value->work, &values, 0);
	bpf_wq_set_callback_impl(&value->work, later, 0, NULL);
	bpf_wq_start(&value->work, 0);
	return 0;
}

SEC("tc") __failure __msg("At async callback return the register R0 has smin=1 smax=1 should have been in [0, 0]")
int result_out_of_range(void *ctx)
{
	LOOKUP
	bpf_wq_set_callback_impl(&value->work, with_result, 0, NULL);
	return 0;
}

SEC("tc") __failure __msg("workqueue pointer in R1 map_uid=0 doesn't match map pointer in R2 map_uid=0")
int of_another_map(void *ctx)
{
	LOOKUP
	bpf_wq_init(&value->work, &others, 0);
	return 0;
}

LICENSE("GPL");
