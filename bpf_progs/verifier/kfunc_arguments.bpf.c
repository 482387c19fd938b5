/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Arguments of kernel functions: typed by BTF, meant by the names of parameters. */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"
#include "expect.h"

SEC("tc") __success
int context_as_context(struct __sk_buff *skb)
{
	struct bpf_dynptr packet;

	return bpf_dynptr_from_skb(skb, 0, &packet) & 0;
}

SEC("tc") __failure __msg("arg#0 expected pointer to ctx, but got fp")
int stack_as_context(struct __sk_buff *skb)
{
	struct bpf_dynptr packet;
	long not_the_context = 0;

	return bpf_dynptr_from_skb((void *)&not_the_context, 0, &packet);
}

SEC("syscall") __failure __msg("arg#0 pointer type STRUCT task_struct must point to scalar, or struct with scalar")
int any_pointer_as_task(struct task_struct **ctx)
{
	bpf_task_acquire((void *)ctx);
	return 0;
}

SEC("syscall") __failure __msg("must be a known constant")
int constant_that_is_not(void *ctx)
{
	void *object = bpf_obj_new_impl(bpf_ktime_get_ns(), NULL);

	if (object)
		obj_drop(object);
	return 0;
}

SEC("xdp") __failure __msg("calling kernel function bpf_dynptr_from_skb is not allowed")
int of_another_type(struct xdp_md *xdp)
{
	struct bpf_dynptr packet;

	return bpf_dynptr_from_skb((void *)xdp, 0, &packet);
}

LICENSE("GPL");
