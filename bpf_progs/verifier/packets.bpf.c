/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packet bytes: readable as far as a comparison with data_end has shown. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

SEC("xdp") __success __retval(2)
int checked(struct xdp_md *ctx)
{
	u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (data + 14 > end)
		return 1;
	return *(volatile u8 *)(data + 13) ? 2 : 2;
}

SEC("xdp") __failure __msg("invalid access to packet, off=14 size=1")
__naked int one_byte_too_far(void)
{
	asm volatile("r2 = *(u32 *)(r1 + 0); r3 = *(u32 *)(r1 + 4); r4 = r2; r4 += 14; if r4 > r3 goto 1f;"
		     "r0 = *(u8 *)(r2 + 14); 1: r0 = 1; exit;");
}

SEC("xdp") __failure __msg("invalid access to packet, off=0 size=1, R2(id=0,off=0,r=0)")
__naked int unchecked(void)
{
	asm volatile("r2 = *(u32 *)(r1 + 0); r0 = *(u8 *)(r2 + 0); r0 = 1; exit;");
}

SEC("xdp") __failure __msg("R7 invalid mem access 'scalar'")
__naked int moved_by_a_helper(void)
{
	asm volatile("r6 = r1; r7 = *(u32 *)(r1 + 0); r3 = *(u32 *)(r1 + 4); r4 = r7; r4 += 14; if r4 > r3 goto 1f;"
		     "r1 = r6; r2 = 0; call 44; r0 = *(u8 *)(r7 + 0); 1: r0 = 1; exit;");
}

SEC("tc") __success __retval(0)
int written(struct __sk_buff *skb)
{
	u8 *data = (void *)(long)skb->data;

	if (data + 1 > (u8 *)(long)skb->data_end)
		return 1;
	*(volatile u8 *)data = 0;
	return 0;
}

SEC("lwt_in") __failure __msg("cannot write into packet")
__naked int read_only_packet(void)
{
	asm volatile("r2 = *(u32 *)(r1 + 76); r3 = *(u32 *)(r1 + 80); r4 = r2; r4 += 1; if r4 > r3 goto 1f;"
		     "*(u8 *)(r2 + 0) = r4; 1: r0 = 0; exit;");
}

SEC("cgroup_skb/ingress") __success
__failure_unpriv __msg_unpriv("invalid bpf_context access off=76 size=4")
__naked int packet_against_context(void)
{
	asm volatile("r2 = *(u32 *)(r1 + 76); if r2 > r1 goto 1f; 1: r0 = 1; exit;");
}

SEC("tc") __success
__naked int meta_in_front_of_the_packet(void)
{
	asm volatile("r2 = *(u32 *)(r1 + 140); r3 = *(u32 *)(r1 + 76); r4 = r2; r4 += 4; if r4 > r3 goto 1f;"
		     "r0 = *(u32 *)(r2 + 0); 1: r0 = 0; exit;");
}

SEC("tc") __failure __msg("invalid access to packet, off=0 size=4")
__naked int meta_against_the_end(void)
{
	asm volatile("r2 = *(u32 *)(r1 + 140); r3 = *(u32 *)(r1 + 80); r4 = r2; r4 += 4; if r4 > r3 goto 1f;"
		     "r0 = *(u32 *)(r2 + 0); 1: r0 = 0; exit;");
}

SEC("xdp") __success
__naked int variable_offset(void)
{
	asm volatile("r6 = r1; call 7; r0 &= 7; r2 = *(u32 *)(r6 + 0); r3 = *(u32 *)(r6 + 4); r2 += r0; r4 = r2;"
		     "r4 += 8; if r4 > r3 goto 1f; r0 = *(u64 *)(r2 + 0); 1: r0 = 1; exit;");
}

SEC("xdp") __failure __msg("invalid access to packet, off=0 size=1")
__naked int offset_added_after_the_comparison(void)
{
	asm volatile("r6 = r1; call 7; r0 &= 7; r2 = *(u32 *)(r6 + 0); r3 = *(u32 *)(r6 + 4); r4 = r2; r4 += 8;"
		     "if r4 > r3 goto 1f; r2 += r0; r0 = *(u8 *)(r2 + 0); 1: r0 = 1; exit;");
}

LICENSE("GPL");
