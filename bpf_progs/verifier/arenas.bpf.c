/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Arenas: memory shared with user space, behind pointers of an address space of their own. */
#include "vmlinux.h"
#include "helpers.h"
#include "kfuncs.h"
#include "expect.h"

#define __arena __attribute__((address_space(1)))

struct {
	__uint(type, 33);
	__uint(map_flags, 1024); /* BPF_F_MMAPABLE */
	__uint(max_entries, 1);
	enum { start = 1ull << 44 } map_extra; /* where user space sees it */
} arena SEC(".maps");

SEC("syscall") __success
int page_written(void *ctx)
{
	long __arena *page = (long __arena *)(long)bpf_arena_alloc_pages(&arena, NULL, 1, -1, 0);

	if (!page)
		return 0;
	page[511] = 7;
	bpf_arena_free_pages(&arena, (void *)(long)page, 1);
	return 0;
}

SEC("syscall") __success
int any_offset_will_do(void *ctx)
{
	long __arena *page = (long __arena *)(long)bpf_arena_alloc_pages(&arena, NULL, 1, -1, 0);

	page[bpf_ktime_get_ns() & 0xffffff] = 7;
	return 0;
}

SEC("syscall") __failure __msg("addr_space_cast insn can only be used in a program that has an associated arena")
__naked int cast_without_an_arena(void)
{
	asm volatile(".8byte 0x00000001000111bf; r0 = 0; exit;"); /* r1 = addr_space_cast(r1, 0, 1) */
}

SEC("syscall") __success
__naked int arithmetic_is_free(void)
{
	asm volatile("r6 = %[arena] ll; r1 = 0; .8byte 0x00000001000111bf; r1 *= 2; r0 = 0; exit;" : : __imm_addr(arena));
}

MAP(values, 2, int, long, 1, 0);

SEC("syscall") __failure __msg("R2 type=arena expected=fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_")
__naked int as_memory_of_a_helper(void)
{
	asm volatile("r1 = %[arena] ll; r2 = 0; .8byte 0x00000001000122bf; r1 = %[values] ll; call 1; r0 = 0; exit;"
		     : : __imm_addr(arena), __imm_addr(values)); /* r2 = addr_space_cast(r2, 0, 1) */
}

LICENSE("GPL");
