/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memory of a ring buffer record: reserved, then submitted or discarded, once. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

struct {
	__uint(type, 27);
	__uint(max_entries, 4096);
} ring SEC(".maps");

#define RESERVE "r1 = %[ring] ll; r2 = 16; r3 = 0; call 131;"

SEC("socket") __success
__naked int reserved_and_submitted(void)
{
	asm volatile(RESERVE "if r0 == 0 goto 1f; r1 = 1; *(u64 *)(r0 + 8) = r1; r1 = r0; r2 = 0; call 132;"
		     "1: r0 = 0; exit;" : : __imm_addr(ring));
}

SEC("socket") __failure __msg("Unreleased reference")
__naked int kept(void)
{
	asm volatile(RESERVE "r0 = 0; exit;" : : __imm_addr(ring));
}

SEC("socket") __failure __msg("R0 invalid mem access 'ringbuf_mem_or_null'")
__naked int not_compared_with_null(void)
{
	asm volatile(RESERVE "r1 = *(u64 *)(r0 + 0); r0 = 0; exit;" : : __imm_addr(ring));
}

SEC("socket") __failure __msg("invalid access to memory, mem_size=16 off=16 size=1")
__naked int behind_the_record(void)
{
	asm volatile(RESERVE "if r0 == 0 goto 1f; r1 = *(u8 *)(r0 + 16); r1 = r0; r2 = 0; call 132; 1: r0 = 0; exit;"
		     : : __imm_addr(ring));
}

SEC("socket") __failure __msg("R1 must have zero offset when passed to release func or trusted arg to kfunc")
__naked int submitted_from_the_middle(void)
{
	asm volatile(RESERVE "if r0 == 0 goto 1f; r1 = r0; r1 += 8; r2 = 0; call 132; 1: r0 = 0; exit;"
		     : : __imm_addr(ring));
}

SEC("socket") __failure __msg("type=scalar expected=ringbuf_mem")
__naked int submitted_twice(void)
{
	asm volatile(RESERVE "if r0 == 0 goto 1f; r6 = r0; r1 = r0; r2 = 0; call 132; r1 = r6; r2 = 0; call 132;"
		     "1: r0 = 0; exit;" : : __imm_addr(ring));
}

LICENSE("GPL");
