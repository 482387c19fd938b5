/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Dynamic pointers: two stack slots with a life of their own, and the slices cut from them. */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"
#include "expect.h"

struct {
	__uint(type, 27);
	__uint(max_entries, 4096);
} ring SEC(".maps");

#define reserve_dynptr(p) bpf_ringbuf_reserve_dynptr(&ring, 16, 0, p)
#define submit_dynptr(p) bpf_ringbuf_submit_dynptr(p, 0)

SEC("socket") __success
int written_and_submitted(void *ctx)
{
	struct bpf_dynptr record;
	long value = 1;

	reserve_dynptr(&record);
	bpf_dynptr_write(&record, 0, &value, sizeof(value), 0);
	submit_dynptr(&record);
	return 0;
}

SEC("socket") __failure __msg("Unreleased reference")
int not_submitted(void *ctx)
{
	struct bpf_dynptr record;

	reserve_dynptr(&record);
	return 0;
}

SEC("socket") __failure __msg("arg 1 is an unacquired reference")
int never_initialised(void *ctx)
{
	struct bpf_dynptr record;

	submit_dynptr(&record);
	return 0;
}

SEC("socket") __failure __msg("cannot overwrite referenced dynptr")
int overwritten(void *ctx)
{
	struct bpf_dynptr record;

	reserve_dynptr(&record);
	*(volatile char *)&record = 0;
	submit_dynptr(&record);
	return 0;
}

SEC("socket") __success
int slice_in_time(void *ctx)
{
	struct bpf_dynptr record;
	char *slice;

	reserve_dynptr(&record);
	slice = bpf_dynptr_data(&record, 0, 8);
	if (slice)
		slice[7] = 1;
	submit_dynptr(&record);
	return 0;
}

SEC("socket") __failure __msg("invalid mem access 'scalar'")
int slice_too_late(void *ctx)
{
	struct bpf_dynptr record;
	char *slice;

	reserve_dynptr(&record);
	slice = bpf_dynptr_data(&record, 0, 8);
	submit_dynptr(&record);
	if (slice)
		*(volatile char *)slice = 1;
	return 0;
}

SEC("socket") __failure __msg("invalid access to memory, mem_size=8 off=8 size=1")
int behind_the_slice(void *ctx)
{
	struct bpf_dynptr record;
	char *slice;

	reserve_dynptr(&record);
	slice = bpf_dynptr_data(&record, 0, 8);
	if (slice)
		*(volatile char *)(slice + 8) = 1;
	submit_dynptr(&record);
	return 0;
}

SEC("tc") __success
int packet_slice(struct __sk_buff *skb)
{
	struct bpf_dynptr packet;
	char buffer[4];
	const char *bytes;

	if (bpf_dynptr_from_skb(skb, 0, &packet))
		return 0;
	bytes = bpf_dynptr_slice(&packet, 0, buffer, sizeof(buffer));
	return bytes ? bytes[3] & 0 : 0;
}

SEC("tc") __failure __msg("cannot write into rdonly_mem")
int read_only_slice(struct __sk_buff *skb)
{
	struct bpf_dynptr packet;
	char buffer[4];
	char *bytes;

	if (bpf_dynptr_from_skb(skb, 0, &packet))
		return 0;
	bytes = bpf_dynptr_slice(&packet, 0, buffer, sizeof(buffer));
	if (bytes)
		bytes[0] = 1;
	return 0;
}

LICENSE("GPL");
