/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets: maybe NULL, referenced, with fields of their own. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

#define TUPLE                                                                                              \
	"r6 = r1; r2 = 0; *(u64 *)(r10 - 8) = r2; *(u64 *)(r10 - 16) = r2; r2 = r10; r2 += -16;"           \
	"r3 = 12; r4 = -1; r5 = 0; call 84;" /* bpf_sk_lookup_tcp */

SEC("tc") __success
__naked int looked_up_and_released(void)
{
	asm volatile(TUPLE "if r0 == 0 goto 1f; r1 = r0; call 86; 1: r0 = 0; exit;");
}

SEC("tc") __failure __msg("Unreleased reference id=2 alloc_insn=")
__naked int not_released(void)
{
	asm volatile(TUPLE "r0 = 0; exit;");
}

SEC("tc") __failure __msg("type=sock_or_null expected=sock")
__naked int released_unchecked(void)
{
	asm volatile(TUPLE "r1 = r0; call 86; r0 = 0; exit;");
}

SEC("tc") __failure __msg("R7 invalid mem access 'scalar'")
__naked int used_after_release(void)
{
	asm volatile(TUPLE "if r0 == 0 goto 1f; r7 = r0; r1 = r0; call 86; r0 = *(u32 *)(r7 + 0); 1: r0 = 0; exit;");
}

SEC("tc") __failure __msg("R1 must be referenced when passed to release function")
__naked int context_socket_is_not_owned(void)
{
	asm volatile("r1 = *(u64 *)(r1 + 168); if r1 == 0 goto 1f; call 86; 1: r0 = 0; exit;");
}

SEC("tc") __failure __msg("R1 invalid sock_common access off=80 size=1")
__naked int behind_its_fields(void)
{
	asm volatile("r1 = *(u64 *)(r1 + 168); if r1 == 0 goto 1f; r0 = *(u8 *)(r1 + 80); 1: r0 = 0; exit;");
}

LICENSE("GPL");
