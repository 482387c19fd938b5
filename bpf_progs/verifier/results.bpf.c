/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a program may return, by its type and place of attachment. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

SEC("cgroup_skb/ingress") __success
__naked int allowed(void)
{
	asm volatile("r0 = 1; exit;");
}

SEC("cgroup_skb/ingress") __failure __msg("At program exit the register R0 has smin=2 smax=2 should have been in [0, 1]")
__naked int out_of_range(void)
{
	asm volatile("r0 = 2; exit;");
}

SEC("cgroup_skb/ingress") __failure __msg("should have been in [0, 1]")
__naked int unknown(void)
{
	asm volatile("call 7; exit;");
}

SEC("cgroup_skb/ingress") __success
__naked int masked(void)
{
	asm volatile("call 7; r0 &= 1; exit;");
}

SEC("cgroup_skb/ingress") __failure __msg("At program exit the register R0 is not a known value (ctx)")
__naked int a_pointer(void)
{
	asm volatile("r0 = r1; exit;");
}

SEC("socket") __success
__failure_unpriv __msg_unpriv("R0 leaks addr as return value")
__naked int any_number_will_do(void)
{
	asm volatile("r0 = r10; exit;");
}

LICENSE("GPL");
