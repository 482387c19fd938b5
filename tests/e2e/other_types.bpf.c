/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs that aren't struct_ops: some that can be run by themselves, one that only a foreign BTF can place.
 */
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))

u64 runs;

SEC("syscall")
int add_one(u64 *ctx)
{
	runs++;
	ctx[1] = ctx[0] + 1;
	return 7;
}

SEC("xdp")
int pass(void *ctx)
{
	return 2;
}

SEC("kprobe")
int first_argument(u64 *ctx)
{
	return ctx[14];
}

SEC("raw_tp")
int bare_arguments(u64 *ctx)
{
	return ctx[3];
}

SEC("fentry/do_exit")
int on_exit(u64 *ctx)
{
	runs = ctx[0];
	return 0;
}

char _license[] SEC("license") = "GPL";
