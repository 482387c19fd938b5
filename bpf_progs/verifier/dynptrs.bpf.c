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

SEC("tc") __success
int clone_of_a_packet(struct __sk_buff *skb)
{
	struct bpf_dynptr packet, clone;

	if (bpf_dynptr_from_skb(skb, 0, &packet))
		return 0;
	bpf_dynptr_clone(&packet, &clone);
	bpf_dynptr_adjust(&clone, 2, 4);
	return bpf_dynptr_size(&clone) & 0;
}

SEC("socket") __failure __msg("Expected an initialized dynptr as arg #")
int clone_of_what_was_submitted(void *ctx)
{
	struct bpf_dynptr record, clone;

	reserve_dynptr(&record);
	bpf_dynptr_clone(&record, &clone);
	submit_dynptr(&record);
	return bpf_dynptr_size(&clone) & 0;
}

char bytes[16];

SEC("socket") __success __retval(16)
int of_a_map_value(void *ctx)
{
	struct bpf_dynptr memory;

	if (bpf_dynptr_from_mem(bytes, sizeof(bytes), 0, &memory))
		return 0;
	return bpf_dynptr_size(&memory);
}

SEC("socket") __failure __msg("Unsupported reg type fp for bpf_dynptr_from_mem data")
int of_the_stack(void *ctx)
{
	struct bpf_dynptr memory;
	char local[16] = {};

	return bpf_dynptr_from_mem(local, sizeof(local), 0, &memory);
}

SEC("xdp") __success
int packet_of_xdp(struct xdp_md *xdp)
{
	struct bpf_dynptr packet;
	char buffer[4];
	char *bytes;

	if (bpf_dynptr_from_xdp(xdp, 0, &packet))
		return 0;
	bytes = bpf_dynptr_slice_rdwr(&packet, 0, buffer, sizeof(buffer));
	if (bytes)
		bytes[3] = 1;
	return 0;
}

SEC("cgroup_skb/ingress") __failure __msg("the prog does not allow writes to packet data")
int writable_slice_of_a_read_only_packet(struct __sk_buff *skb)
{
	struct bpf_dynptr packet;
	char buffer[4];

	if (bpf_dynptr_from_skb(skb, 0, &packet))
		return 1;
	return bpf_dynptr_slice_rdwr(&packet, 0, buffer, sizeof(buffer)) ? 1 : 0;
}

LICENSE("GPL");
