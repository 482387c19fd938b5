/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a BPF program needs besides the kernel's types: sections, map declarations, helper functions by number,
 * CO-RE builtins under readable names. Include vmlinux.h first.
 */
#ifndef BPFVM_HELPERS_H
#define BPFVM_HELPERS_H

#define NULL ((void *)0)

#define SEC(name) __attribute__((section(name), used))
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))
#define __weak __attribute__((weak))
#define __ksym __attribute__((section(".ksyms")))

#define LICENSE(text) char _license[] SEC("license") = text

/* ---- maps: an anonymous struct in SEC(".maps") whose member types carry the numbers ---- */

#define __uint(name, value) int (*name)[value]
#define __type(name, value) __typeof__(value) *name

/* Macros, not enumerators: a stock vmlinux.h has these as enumerators already. */
#define BPF_ANY 0	/* create or replace */
#define BPF_NOEXIST 1	/* create only */
#define BPF_EXIST 2	/* replace only */

/* ---- programs with typed arguments ---- */

/*
 * SEC("struct_ops/member") int BPF_PROG(name, type1 arg1, type2 arg2) { ... }
 *
 * The kernel hands a struct_ops program an array of 8-byte slots, one per argument. BPF_PROG defines that program
 * and makes what follows its body a function with the arguments as declared. At most five.
 */
#define BPF_PROG(name, ...)                                                             \
	name(u64 *ctx);                                                                 \
	static __always_inline __typeof__(name(NULL)) name##_body(__VA_ARGS__);         \
	__typeof__(name(NULL)) name(u64 *ctx)                                           \
	{                                                                               \
		_Pragma("clang diagnostic push")                                        \
		_Pragma("clang diagnostic ignored \"-Wint-conversion\"")                \
		return name##_body(PASTE(SLOTS_, COUNT(__VA_ARGS__)));                  \
		_Pragma("clang diagnostic pop")                                         \
	}                                                                               \
	static __always_inline __typeof__(name(NULL)) name##_body(__VA_ARGS__)

#define SLOTS_1 ctx[0]
#define SLOTS_2 SLOTS_1, ctx[1]
#define SLOTS_3 SLOTS_2, ctx[2]
#define SLOTS_4 SLOTS_3, ctx[3]
#define SLOTS_5 SLOTS_4, ctx[4]
#define COUNT(...) SIXTH(__VA_ARGS__, 5, 4, 3, 2, 1)
#define SIXTH(a, b, c, d, e, sixth, ...) sixth
#define PASTE(a, b) PASTE_(a, b)
#define PASTE_(a, b) a##b

/* ---- helper functions: a call to an address that is the helper's number (enum bpf_func_id) ---- */

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*const bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static u64 (*const bpf_ktime_get_ns)(void) = (void *)5;
static long (*const bpf_trace_printk)(const char *fmt, u32 fmt_size, ...) = (void *)6;
static u32 (*const bpf_get_smp_processor_id)(void) = (void *)8;
static u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;
static u64 (*const bpf_get_current_cgroup_id)(void) = (void *)80;
static long (*const bpf_probe_read_kernel)(void *dst, u32 size, const void *unsafe_ptr) = (void *)113;
static u64 (*const bpf_ktime_get_boot_ns)(void) = (void *)125;
static void *(*const bpf_this_cpu_ptr)(const void *percpu_ptr) = (void *)154;
static long (*const bpf_spin_lock)(struct bpf_spin_lock *lock) = (void *)93;
static long (*const bpf_spin_unlock)(struct bpf_spin_lock *lock) = (void *)94;
static long (*const bpf_ringbuf_output)(void *ringbuf, void *data, u64 size, u64 flags) = (void *)130;
static void *(*const bpf_ringbuf_reserve)(void *ringbuf, u64 size, u64 flags) = (void *)131;
static void (*const bpf_ringbuf_submit)(void *data, u64 flags) = (void *)132;
static void (*const bpf_ringbuf_discard)(void *data, u64 flags) = (void *)133;
static long (*const bpf_copy_from_user)(void *dst, u32 size, const void *user_ptr) = (void *)148;
static struct task_struct *(*const bpf_get_current_task_btf)(void) = (void *)158;
static long (*const bpf_for_each_map_elem)(void *map, void *callback, void *ctx, u64 flags) = (void *)164;
static long (*const bpf_timer_init)(struct bpf_timer *timer, void *map, u64 flags) = (void *)169;
static long (*const bpf_timer_set_callback)(struct bpf_timer *timer, void *callback) = (void *)170;
static long (*const bpf_timer_start)(struct bpf_timer *timer, u64 nsecs, u64 flags) = (void *)171;
static long (*const bpf_timer_cancel)(struct bpf_timer *timer) = (void *)172;
static long (*const bpf_loop)(u32 nr_loops, void *callback, void *ctx, u64 flags) = (void *)181;
static long (*const bpf_strncmp)(const char *s1, u32 s1_size, const char *s2) = (void *)182;
static void *(*const bpf_kptr_xchg)(void *field, void *ptr) = (void *)194;
static long (*const bpf_dynptr_from_mem)(void *data, u32 size, u64 flags, struct bpf_dynptr *ptr) = (void *)197;
static long (*const bpf_ringbuf_reserve_dynptr)(void *ringbuf, u32 size, u64 flags, struct bpf_dynptr *ptr) = (void *)198;
static void (*const bpf_ringbuf_submit_dynptr)(struct bpf_dynptr *ptr, u64 flags) = (void *)199;
static long (*const bpf_dynptr_write)(const struct bpf_dynptr *dst, u32 offset, void *src, u32 len, u64 flags) = (void *)202;
static void *(*const bpf_dynptr_data)(const struct bpf_dynptr *ptr, u32 offset, u32 len) = (void *)203;

/* A line of text for the trace buffer; at most three values. */
#define bpf_printk(fmt, ...)                                                            \
	({                                                                              \
		static const char text[] = fmt;                                         \
		bpf_trace_printk(text, sizeof(text), ##__VA_ARGS__);                    \
	})

/* ---- CO-RE: questions about the kernel that the program is loaded into, answered by the loader ---- */

/* Does that kernel's struct have this field?  core_field_exists(task->start_boottime) */
#define core_field_exists(field) __builtin_preserve_field_info(field, 2)

/* Does that kernel's enum have this value, and what is it?  core_enum_has(enum tva_type, TVA_SMAPS) */
#define core_enum_has(type, value) __builtin_preserve_enum_value(*(__typeof__(type) *)value, 0)
#define core_enum_value(type, value) __builtin_preserve_enum_value(*(__typeof__(type) *)value, 1)

/* Copy a field through a pointer that need not be valid: 0, or -EFAULT and zeros. */
#define core_read(dst, src_field)                                                       \
	bpf_probe_read_kernel(dst, sizeof(*(dst)), __builtin_preserve_access_index(&(src_field)))

#endif
