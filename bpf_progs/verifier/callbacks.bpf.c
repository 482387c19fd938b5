/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Functions handed to helpers: called any number of times, with arguments of the helper's choice. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

static int add(u64 index, long *sum)
{
	*sum += index;
	return 0;
}

SEC("socket") __success __retval(45)
int sum_of_digits(void *ctx)
{
	long sum = 0;

	bpf_loop(10, add, &sum, 0);
	return sum;
}

static int stops_with_two(u64 index, long *sum)
{
	return 2;
}

SEC("socket") __failure __msg("At callback return the register R0 has smin=2 smax=2 should have been in [0, 1]")
int result_out_of_range(void *ctx)
{
	long sum = 0;

	bpf_loop(10, stops_with_two, &sum, 0);
	return sum;
}

SEC("socket") __failure __msg("R2 type=scalar expected=func")
__naked int number_as_function(void)
{
	asm volatile("r1 = 1; r2 = 4096; r3 = 0; r4 = 0; call 181; r0 = 0; exit;");
}

static int keeps_index(u64 index, u64 *last)
{
	*last = index;
	return 0;
}

MAP(table, 2, int, char[16], 1, 0);

SEC("socket") __failure __msg("math between map_value pointer and register with unbounded min value is not allowed")
int what_a_callback_wrote(void *ctx)
{
	int key = 0;
	u64 last = 0;
	char *value = bpf_map_lookup_elem(&table, &key);

	if (!value)
		return 0;
	bpf_loop(10, keeps_index, &last, 0);
	return value[last];
}

struct timed {
	struct bpf_timer timer;
};

MAP(timers, 2, int, struct timed, 1, 0);

static int on_time(void *map, int *key, struct timed *value)
{
	return 0;
}

static int on_time_with_result(void *map, int *key, struct timed *value)
{
	return 1;
}

#define LOOKUP                                                                                             \
	int key = 0;                                                                                       \
	struct timed *value = bpf_map_lookup_elem(&timers, &key);                                          \
	if (!value)                                                                                        \
		return 0;

SEC("tc") __success
int timer(void *ctx)
{
	LOOKUP
	bpf_timer_init(&value->timer, &timers, 0);
	bpf_timer_set_callback(&value->timer, on_time);
	bpf_timer_start(&value->timer, 1000, 0);
	return 0;
}

SEC("tc") __failure __msg("At async callback return the register R0 has smin=1 smax=1 should have been in [0, 0]")
int timer_result_out_of_range(void *ctx)
{
	LOOKUP
	bpf_timer_set_callback(&value->timer, on_time_with_result);
	return 0;
}

SEC("tc") __failure __msg("bpf_timer cannot be accessed directly by load/store")
int timer_as_a_number(void *ctx)
{
	LOOKUP
	return *(volatile long *)&value->timer;
}

LICENSE("GPL");
