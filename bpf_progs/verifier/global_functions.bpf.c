/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Global functions: verified once, by the types of their arguments. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

struct pair {
	long a, b;
};

__noinline __weak long sum(struct pair *pair __arg_nonnull)
{
	return pair->a + pair->b;
}

SEC("socket") __success __retval(3)
int memory_of_the_caller(void *ctx)
{
	struct pair pair = {1, 2};

	return sum(&pair);
}

SEC("socket") __failure __msg("invalid read from stack")
int too_little_memory(void *ctx)
{
	char bytes[8] = {};

	return sum((void *)bytes);
}

__noinline __weak long maybe(struct pair *pair)
{
	return pair ? pair->a : 0;
}

SEC("socket") __success __retval(0)
int null_is_an_argument(void *ctx)
{
	return maybe(NULL);
}

__noinline __weak long careless(struct pair *pair)
{
	return pair->a;
}

SEC("socket") __failure __msg("invalid mem access 'mem_or_null'")
int null_was_not_thought_of(void *ctx)
{
	struct pair pair = {1, 2};

	return careless(&pair);
}

__noinline __weak int length(struct __sk_buff *skb __arg_ctx)
{
	return skb->len;
}

SEC("socket") __success
int context_argument(struct __sk_buff *skb)
{
	return length(skb) & 0;
}

SEC("socket") __failure __msg("arg#0 expects pointer to ctx")
int not_the_context(struct __sk_buff *skb)
{
	long local = 0;

	return length((void *)&local);
}

__noinline __weak int unknown_result(void)
{
	return 0;
}

MAP(table, 2, int, char[16], 1, 0);

SEC("socket") __failure __msg("value -2147483648 makes map_value pointer be out of bounds")
int result_is_any_number(void *ctx)
{
	int key = 0;
	char *value = bpf_map_lookup_elem(&table, &key);

	return value ? value[unknown_result()] : 0;
}

LICENSE("GPL");
