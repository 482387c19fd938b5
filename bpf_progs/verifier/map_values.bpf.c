/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Values of maps: inside their size, and only as their map allows. */
#include "vmlinux.h"
#include "helpers.h"
#include "expect.h"

MAP(values, 1, int, long[2], 1, 0);
MAP(read_only, 2, int, long, 1, 128);
MAP(write_only, 2, int, long, 1, 256);
const volatile long constant = 3;

#define LOOKUP(map)                                                                                        \
	"r1 = 0; *(u32 *)(r10 - 4) = r1; r2 = r10; r2 += -4; r1 = %[" #map "] ll; call 1;"
#define CHECKED(map) LOOKUP(map) "if r0 != 0 goto 9f; exit; 9:"

SEC("socket") __success
__naked int last_bytes(void)
{
	asm volatile(CHECKED(values) "r1 = *(u64 *)(r0 + 8); r0 = 0; exit;" : : __imm_addr(values));
}

SEC("socket") __failure __msg("invalid access to map value, value_size=16 off=9 size=8")
__naked int past_the_end(void)
{
	asm volatile(CHECKED(values) "r1 = *(u64 *)(r0 + 9); r0 = 0; exit;" : : __imm_addr(values));
}

SEC("socket") __failure __msg("R0 invalid mem access 'map_value_or_null'")
__naked int not_compared_with_null(void)
{
	asm volatile(LOOKUP(values) "r1 = *(u64 *)(r0 + 0); r0 = 0; exit;" : : __imm_addr(values));
}

SEC("socket") __failure __msg("R0 pointer arithmetic on map_value_or_null prohibited")
__naked int arithmetic_before_the_comparison(void)
{
	asm volatile(LOOKUP(values) "r0 += 8; r0 = 0; exit;" : : __imm_addr(values));
}

SEC("socket") __failure __msg("write into map forbidden, value_size=8 off=0 size=8")
__naked int write_to_read_only(void)
{
	asm volatile(CHECKED(read_only) "r1 = 0; *(u64 *)(r0 + 0) = r1; r0 = 0; exit;" : : __imm_addr(read_only));
}

SEC("socket") __failure __msg("read from map forbidden, value_size=8 off=0 size=8")
__naked int read_from_write_only(void)
{
	asm volatile(CHECKED(write_only) "r0 = *(u64 *)(r0 + 0); r0 = 0; exit;" : : __imm_addr(write_only));
}

SEC("socket") __success __retval(3)
int constants_are_known(void *ctx)
{
	return constant;
}

LICENSE("GPL");
