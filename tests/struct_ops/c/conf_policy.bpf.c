/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A policy written against an older conf_ops: a flavoured name, members in another order, one the kernel doesn't have. */

typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))

struct task_struct {
	int pid;
};

struct conf_ops___old {
	int data;
	u64 gone;
	u64 (*by_value)(void);
	u32 (*mask)(u64 orders);
	int (*sum)(int a, int b, int c, u64 d);
	void *(*pick)(void *task);
	int (*maybe)(int dummy, void *task);
	char name[16];
};

char LICENSE[] SEC("license") = "GPL";

SEC("struct_ops/sum")
int sum(u64 *ctx)
{
	return (int)ctx[0] + (int)ctx[1] + (int)ctx[2] + (int)ctx[3];
}

SEC("struct_ops/mask")
u64 mask(u64 *ctx)
{
	return ~ctx[0];
}

SEC("struct_ops/pick")
u64 pick(u64 *ctx)
{
	return ctx[0];
}

SEC("struct_ops/maybe")
int maybe(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[1];

	return task ? task->pid : -1;
}

SEC("struct_ops/by_value")
u64 by_value(u64 *ctx)
{
	return ctx[0] + ctx[1] + ctx[2];
}

SEC(".struct_ops.link")
struct conf_ops___old policy = {
	.data = -7,
	.by_value = (void *)by_value,
	.mask = (void *)mask,
	.sum = (void *)sum,
	.pick = (void *)pick,
	.maybe = (void *)maybe,
	.name = "policy",
};

SEC("?.struct_ops")
struct conf_ops___old spare = {
	.mask = (void *)mask,
};
