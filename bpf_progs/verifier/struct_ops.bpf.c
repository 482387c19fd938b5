/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Members of a struct_ops type, here the kernel's own for tests: which exist, what they get, who may sleep. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

SEC("struct_ops/test_1") __success
int BPF_PROG(maybe_null_compared, struct bpf_dummy_ops_state *state)
{
	if (!state)
		return 1;
	state->val = 2;
	return 0;
}

SEC("struct_ops/test_1") __failure __msg("R1 invalid mem access 'trusted_ptr_or_null_'")
int BPF_PROG(maybe_null_not_compared, struct bpf_dummy_ops_state *state)
{
	return state->val;
}

SEC("struct_ops/test_2") __success
int BPF_PROG(all_arguments, struct bpf_dummy_ops_state *state, int a1, unsigned short a2, char a3, unsigned long a4)
{
	state->val = a1 + a2 + a3 + a4;
	return 0;
}

SEC("struct_ops/test_2") __failure __msg("func 'test_2' doesn't have 6-th argument")
__naked int one_argument_too_many(void)
{
	asm volatile("r0 = *(u64 *)(r1 + 40); exit;");
}

SEC("struct_ops/test_2") __failure __msg("write access at off")
__naked int behind_what_may_be_written(void)
{
	asm volatile("r1 = *(u64 *)(r1 + 0); r2 = 0; *(u64 *)(r1 + 0) = r2; r0 = 0; exit;");
}

SEC("struct_ops.s/test_sleepable") __success
int BPF_PROG(sleeps_where_it_may, struct bpf_dummy_ops_state *state)
{
	return 0;
}

SEC("struct_ops.s/test_2") __failure __msg("attach to unsupported member test_2 of struct bpf_dummy_ops")
int BPF_PROG(sleeps_where_it_must_not, struct bpf_dummy_ops_state *state)
{
	return 0;
}

SEC(".struct_ops")
struct bpf_dummy_ops accepted = {
	.test_1 = (void *)maybe_null_compared,
	.test_2 = (void *)all_arguments,
	.test_sleepable = (void *)sleeps_where_it_may,
};

SEC(".struct_ops")
struct bpf_dummy_ops refused = {
	.test_1 = (void *)maybe_null_not_compared,
	.test_2 = (void *)one_argument_too_many,
};

SEC(".struct_ops")
struct bpf_dummy_ops refused_too = {
	.test_2 = (void *)behind_what_may_be_written,
};

SEC(".struct_ops")
struct bpf_dummy_ops refused_as_well = {
	.test_2 = (void *)sleeps_where_it_must_not,
};

LICENSE("GPL");
