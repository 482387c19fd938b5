/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Open-coded iterators: new, next until NULL, destroy. */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"
#include "expect.h"

SEC("socket") __success __retval(45)
int sum_of_digits(void *ctx)
{
	struct bpf_iter_num it;
	int *number, sum = 0;

	bpf_iter_num_new(&it, 0, 10);
	while ((number = bpf_iter_num_next(&it)))
		sum += *number;
	bpf_iter_num_destroy(&it);
	return sum;
}

SEC("socket") __failure __msg("Unreleased reference")
int not_destroyed(void *ctx)
{
	struct bpf_iter_num it;

	bpf_iter_num_new(&it, 0, 10);
	return 0;
}

SEC("socket") __failure __msg("expected an initialized iter_num as arg #0")
int next_without_new(void *ctx)
{
	struct bpf_iter_num it;

	return bpf_iter_num_next(&it) ? 1 : 0;
}

SEC("socket") __failure __msg("expected uninitialized iter_num as arg #0")
int new_twice(void *ctx)
{
	struct bpf_iter_num it;

	bpf_iter_num_new(&it, 0, 10);
	bpf_iter_num_new(&it, 0, 10);
	bpf_iter_num_destroy(&it);
	return 0;
}

SEC("socket") __failure __msg("invalid mem access 'scalar'")
int element_not_compared_with_null(void *ctx)
{
	struct bpf_iter_num it;
	int number;

	bpf_iter_num_new(&it, 0, 10);
	number = *(volatile int *)bpf_iter_num_next(&it);
	bpf_iter_num_destroy(&it);
	return number;
}

u64 words[2] = {5, 1};

SEC("syscall") __success
int bits_of_a_value(void *ctx)
{
	struct bpf_iter_bits it;
	int *bit, count = 0;

	bpf_iter_bits_new(&it, words, 2);
	while ((bit = bpf_iter_bits_next(&it)))
		count++;
	bpf_iter_bits_destroy(&it);
	return count & 0;
}

SEC("socket") __success
int loop_without_a_bound(void *ctx)
{
	struct bpf_iter_num it;
	u64 sum = 0;
	int *i;

	bpf_iter_num_new(&it, 0, 1000000);
	while ((i = bpf_iter_num_next(&it)))
		sum += *i;
	bpf_iter_num_destroy(&it);
	return sum & 0;
}

SEC("socket") __failure __msg("R6 min value is outside of the allowed memory range")
int counter_as_an_index(void *ctx)
{
	struct bpf_iter_num it;
	u64 sum = 0;

	bpf_iter_num_new(&it, 0, 4);
	while (bpf_iter_num_next(&it))
		sum++;
	bpf_iter_num_destroy(&it);
	return ((char *)words)[sum];
}

LICENSE("GPL");
