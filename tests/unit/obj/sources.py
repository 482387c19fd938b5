# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""C sources that use every part of an object file."""

from __future__ import annotations

KERNEL = """
struct mm_struct { long pad[3]; unsigned long total_vm; };
struct task_struct { long state; char comm[16]; struct mm_struct *mm; int pid;
                     unsigned flag_a : 3; unsigned flag_b : 9; };
struct task_struct v_task; struct mm_struct v_mm;
struct bpf_thp_ops { int pid; int (*thp_get_order)(void *vma, int type, unsigned long orders); long mm_list[2]; };
struct bpf_thp_ops v_ops;
__attribute__((btf_decl_tag("bpf_kfunc"))) int kf_present(struct task_struct *t) { return t->pid; }
"""

POLICY = """
struct mm_struct { unsigned long total_vm; } PAI;
struct task_struct { int pid; int gone; struct mm_struct *mm; char comm[16]; } PAI;
struct bpf_thp_ops { int pid; int (*thp_get_order)(void *vma, int type, unsigned long orders); };
struct inner { __uint(type, 2); __uint(max_entries, 4); __type(key, u32); __type(value, u64); };
struct { __uint(type, 1); __uint(max_entries, 16); __uint(map_flags, 1); __type(key, u32); __type(value, u64);
         __uint(pinning, 1); } counts SEC(".maps");
struct { __uint(type, 27); __uint(max_entries, 5000); } ring SEC(".maps");
struct inner in_a SEC(".maps"), in_b SEC(".maps");
struct { __uint(type, 12); __uint(max_entries, 4); __type(key, u32); __array(values, struct inner); }
    outer SEC(".maps") = { .values = { [1] = &in_a, [3] = &in_b } };
struct { __uint(type, 29); __uint(key_size, 0); __uint(max_entries, 0); __type(value, u32); __ulong(map_extra, 7); }
    bloom SEC(".maps");
struct config { u32 limits[3]; u8 low : 4; u8 high : 4; };
const volatile int limit = 7;
volatile struct config config = { { 1, 2, 3 }, 4, 5 };
int hits; static volatile int counter = 5; volatile u64 custom SEC(".data.custom") = 9;
extern int LINUX_KERNEL_VERSION __kconfig; extern _Bool CONFIG_THP __kconfig __weak;
extern char CONFIG_NAME[8] __kconfig __weak;
extern int kf_present(struct task_struct *t) __ksym;
extern int kf_absent(struct task_struct *t) __ksym __weak;
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_loop)(u32 n, void *fn, void *ctx, u64 flags) = (void *)181;

static __noinline int inner_sub(int x) { counter += x; return x + counter; }
__noinline int outer_sub(int x) { return inner_sub(x) * 3; }
__hidden __noinline int hidden_sub(int x) { return x ^ hits; }
static int callback(u32 i, void *ctx) { hits++; return 0; }

SEC("struct_ops/thp_get_order") int get_order(u64 *ctx)
{
    u32 key = 0; u64 *value = bpf_map_lookup_elem(&counts, &key);
    struct task_struct *task = (void *)ctx[0];
    if (value) *value += task->pid + task->gone + task->mm->total_vm;
    if (kf_absent) kf_absent(task);
    bpf_loop(3, callback, 0, 0);
    return outer_sub(limit) + hidden_sub(LINUX_KERNEL_VERSION + CONFIG_THP + CONFIG_NAME[1]) + kf_present(task) + custom
           + config.limits[1] + inner_sub(2);
}
SEC("?struct_ops.s/other") int other(u64 *ctx) { return 1; }
SEC("tc") int tc_one(void *skb) { return inner_sub(1); }
SEC("tc") int tc_two(void *skb) { return 2; }
SEC("fentry.s/kf_present") int traced(u64 *ctx) { return 0; }
SEC("nonsense") int typeless(void *ctx) { return 0; }
SEC(".struct_ops.link") struct bpf_thp_ops linked = { .pid = 42, .thp_get_order = (void *)get_order };
SEC("?.struct_ops") struct bpf_thp_ops plain = { .thp_get_order = (void *)other };
char LICENSE[] SEC("license") = "Dual BSD/GPL";
"""
