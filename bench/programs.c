// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The seven programs that engines are measured with: compiled for BPF, and as they are for this machine.
 *
 * Each takes nothing and gives a 32-bit check sum, so that results can be compared. Loops have constant bounds, so that
 * a kernel's verifier can walk through them. */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define NOINLINE __attribute__((noinline))

#ifdef __bpf__
#define PROGRAM(name) __attribute__((section("socket"), used)) int name(void *skb)
char LICENSE[] __attribute__((section("license"), used)) = "GPL";
#else
#define PROGRAM(name)                                                                                                  \
	static NOINLINE int name(void *skb);                                                                           \
	int repeat_##name(u32 times)                                                                                   \
	{                                                                                                              \
		int result = 0;                                                                                        \
		while (times--) {                                                                                      \
			result = name(0);                                                                              \
			__asm__ volatile("" : "+r"(result) : : "memory");                                              \
		}                                                                                                      \
		return result;                                                                                         \
	}                                                                                                              \
	static NOINLINE int name(void *skb)
#endif

/* 0; read from memory, so that no compiler knows a result beforehand. */
u64 seed;

static inline int folded(u64 x)
{
	return (u32)(x ^ x >> 32);
}

/* 64-bit arithmetic in registers: a shift-register generator and a product. */
PROGRAM(alu64)
{
	u64 x = 0x9e3779b97f4a7c15ULL ^ seed, sum = 0;

	for (u32 i = 0; i < 20000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		sum += x * 0x2545f4914f6cdd1dULL + i;
	}
	return folded(sum);
}

#define WORDS 8192
u64 words[WORDS];

/* The sum of 64 KiB, 8 bytes at a time. */
PROGRAM(memory_sum)
{
	u64 sum = 1;

	for (u32 i = 0; i < WORDS; i++)
		sum += words[i] ^ i;
	return folded(sum);
}

#define BYTES 65536
u8 bytes[BYTES];

/* FNV-1a over 64 KiB, byte by byte. */
PROGRAM(fnv)
{
	u64 hash = 0xcbf29ce484222325ULL;

	for (u32 i = 0; i < BYTES; i++) {
		hash ^= bytes[i];
		hash *= 0x100000001b3ULL;
	}
	return folded(hash);
}

static NOINLINE u64 inner(u64 a, u64 b)
{
	return a * 3 + b;
}

static NOINLINE u64 outer(u64 a, u64 b, u64 c)
{
	return inner(a, b) ^ inner(b, c);
}

/* Functions that call functions. */
PROGRAM(calls)
{
	u64 x = 1 + seed;

	for (u32 i = 0; i < 4000; i++)
		x = outer(x, i, x >> 3);
	return folded(x);
}

#define LIMIT 4096
u8 composite[LIMIT];

/* The primes below 4096. */
PROGRAM(sieve)
{
	u32 count = 0;

	for (u32 i = 0; i < LIMIT; i++)
		composite[i] = 0;
	for (u32 i = 2; i < 64; i++) {
		if (composite[i])
			continue;
		for (u32 j = i * i; j < LIMIT; j += i)
			composite[j] = 1;
	}
	for (u32 i = 2; i < LIMIT; i++)
		count += !composite[i];
	return count;
}

/* 32-bit arithmetic and byte swaps. */
PROGRAM(alu32)
{
	u32 a = 0x12345678 ^ seed, b = 0x9abcdef0;

	for (u32 i = 0; i < 10000; i++) {
		a = __builtin_bswap32(a) + b * 2654435761u;
		b = (b << 5 | b >> 27) ^ a;
		a -= i;
	}
	return a ^ b;
}

struct fault {
	u64 flags, start;
	u32 orders, order;
};

#define FAULTS 256
struct fault faults[FAULTS];
u64 chosen[16];
u32 turn;

/* What a policy does at a page fault: look at the area, take the largest order that is allowed and fits, count it. */
PROGRAM(policy)
{
	struct fault *fault = &faults[turn & (FAULTS - 1)];
	u64 address = fault->start + ((u64)turn++ << 12);
	u32 orders = fault->orders | 0x2f4, best = 0;

	if (fault->flags & 0x40)
		return -1;
	for (u32 order = 9; order > 1; order--) {
		if (!(orders >> order & 1))
			continue;
		if (address & ((4096ULL << order) - 1))
			continue;
		best = order;
		break;
	}
	fault->order = best;
	chosen[best & 15]++;
	return best;
}
