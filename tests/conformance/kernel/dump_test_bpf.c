// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Prints the eBPF cases of lib/test_bpf.c as JSON, one case a line. The table and its generators are cut from the kernel
 * tree's file (see tables.py); here is what of the kernel they need.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <limits.h>
#include <linux/types.h>
#include <uapi/linux/filter.h>
#include <linux/if_packet.h>
#include <linux/if_ether.h>
#include <uapi/linux/bpf.h>
#include <linux/filter.h>

#define BIT(n) (1UL << (n))
#define GFP_KERNEL 0
#define kmalloc_array(n, size, flags) calloc(n, size)
#define kmalloc(size, flags) malloc(size)
#define kfree(p) free(p)
#define vmalloc(size) malloc(size)
#define cpu_to_be16(x) __builtin_bswap16(x)
#define cpu_to_be32(x) __builtin_bswap32(x)
#define cpu_to_be64(x) __builtin_bswap64(x)
#define cpu_to_le16(x) ((u16)(x))
#define cpu_to_le32(x) ((u32)(x))
#define cpu_to_le64(x) ((u64)(x))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define min_t(type, a, b) min((type)(a), (type)(b))
#define U32_MAX UINT32_MAX
#define S32_MAX INT32_MAX
#define S32_MIN INT32_MIN
#define S16_MIN INT16_MIN
#define S16_MAX INT16_MAX
#define S64_MAX INT64_MAX
#define S64_MIN INT64_MIN
#define U64_MAX UINT64_MAX
#define U16_MAX UINT16_MAX
#define BUG_ON(what) do { if (what) abort(); } while (0)
#define div64_u64(a, b) ((u64)(a) / (u64)(b))
#define div64_u64_rem(a, b, rest) (*(rest) = (u64)(a) % (u64)(b), (u64)(a) / (u64)(b))
#define __init
#define __initdata
#define __always_inline inline
#define fallthrough
#define pr_info(...) fprintf(stderr, __VA_ARGS__)
#define pr_err(...) fprintf(stderr, __VA_ARGS__)
#define prandom_u32_max(n) ((n) / 2)
#define get_random_u32_below(n) ((n) / 2)
#define SKF_AD_MAX_OFF SKF_AD_MAX
#define IS_ENABLED(option) 0
#define CONFIG_BPF_JIT_ALWAYS_ON 1

/* What the kernel's own linux/filter.h has and the tools' copy lacks. */
#define __BPF_STMT(c, k) ((struct sock_filter) BPF_STMT(c, k))
#define __BPF_JUMP(c, k, t, f) ((struct sock_filter) BPF_JUMP(c, k, t, f))
#ifndef BPF_ENDIAN
#define BPF_ENDIAN(type, dst, len) BPF_RAW_INSN(BPF_ALU | BPF_END | BPF_SRC(type), dst, 0, 0, len)
#endif
#ifndef BPF_BSWAP
#define BPF_BSWAP(dst, len) BPF_RAW_INSN(BPF_ALU64 | BPF_END | BPF_SRC(BPF_TO_LE), dst, 0, 0, len)
#endif
#define BPF_ALU32_REG_OFF(op, dst, src, off) BPF_RAW_INSN(BPF_ALU | BPF_OP(op) | BPF_X, dst, src, off, 0)
#define BPF_ALU64_REG_OFF(op, dst, src, off) BPF_RAW_INSN(BPF_ALU64 | BPF_OP(op) | BPF_X, dst, src, off, 0)
#define BPF_ALU32_IMM_OFF(op, dst, imm, off) BPF_RAW_INSN(BPF_ALU | BPF_OP(op) | BPF_K, dst, 0, off, imm)
#define BPF_ALU64_IMM_OFF(op, dst, imm, off) BPF_RAW_INSN(BPF_ALU64 | BPF_OP(op) | BPF_K, dst, 0, off, imm)
#define BPF_LDX_MEMSX(size, dst, src, off) BPF_RAW_INSN(BPF_LDX | BPF_SIZE(size) | BPF_MEMSX, dst, src, off, 0)
#define BPF_ZEXT_REG(dst) BPF_RAW_INSN(BPF_ALU | BPF_MOV | BPF_X, dst, dst, 0, 1)
#ifndef BPF_STX_XADD
#define BPF_STX_XADD(size, dst, src, off) BPF_RAW_INSN(BPF_STX | BPF_SIZE(size) | BPF_ATOMIC, dst, src, off, BPF_ADD)
#endif
#ifndef BPF_TAIL_CALL
#define BPF_TAIL_CALL 0xf0
#endif

struct rnd_state { u64 seed; };
static void prandom_seed_state(struct rnd_state *state, u64 seed) { state->seed = seed; }
static u32 prandom_u32_state(struct rnd_state *state)
{
	state->seed = state->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return state->seed >> 32;
}

/* The kernel defines only the byte order it has, the C library both. */
#undef __BIG_ENDIAN

#include "test_bpf_cut.c"

static void hex(const char *name, const void *data, size_t size)
{
	printf(", \"%s\": \"", name);
	for (size_t i = 0; i < size; i++)
		printf("%02x", ((const unsigned char *)data)[i]);
	putchar('"');
}

/* Longer programs are printed without their instructions. */
#define MAX_SLOTS 60000

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		struct bpf_test *t = &tests[i];
		const struct bpf_insn *insns = t->u.insns_int;
		size_t len = 0;

		if ((t->aux & TEST_TYPE_MASK) != INTERNAL)
			continue;
		if (t->fill_helper) {
			if (t->fill_helper(t) < 0)
				continue;
			insns = t->u.ptr.insns;
			len = t->u.ptr.len;
		} else {
			for (len = MAX_INSNS - 1; len > 0 && !insns[len].code && !insns[len].imm; len--)
				;
			len++;
		}
		printf("{\"name\": \"");
		for (const char *s = t->descr; *s; s++) {
			if (*s == '"' || *s == '\\')
				putchar('\\');
			putchar(*s);
		}
		printf("\", \"number\": %zu", i);
		printf(", \"slots\": %zu", len);
		hex("insns", insns, len > MAX_SLOTS ? 0 : len * sizeof(*insns));
		printf(", \"stack\": %u, \"aux\": %u, \"expected_fail\": %d", t->stack_depth, (unsigned)t->aux, t->expected_errcode);
		hex("data", t->data, MAX_DATA);
		printf(", \"runs\": [");
		for (int j = 0; j < MAX_SUBTESTS; j++) {
			if (j && !t->test[j].data_size && !t->test[j].result)
				break;
			printf("%s[%d, %u]", j ? ", " : "", t->test[j].data_size, t->test[j].result);
		}
		printf("]}\n");
		if (t->fill_helper)
			free(t->u.ptr.insns);
	}
	return 0;
}
