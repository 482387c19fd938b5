/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The types of the emulated kernel: the one declaration of them.
 *
 * Compiled to emulated.btf (`python -m bpf_progs.build kernel-btf`). The emulated memory is laid out by that BTF,
 * programs are relocated and verified against it, and `bpfvm btf dump --format c` prints it as vmlinux.h.
 *
 * Layouts are those of Linux 6.18 on x86-64 (Firecracker configuration), read from /sys/kernel/btf/vmlinux; every
 * offset and size is asserted below, and tests/unit/progs compares them with the running kernel. What the v11
 * BPF-THP patch adds (mm/huge_memory_bpf.c, include/linux/mm_types.h) sits where that patch puts it.
 *
 * A field that is not emulated does not exist: HOLE(at, bytes) keeps its room, and the build drops the hole from the
 * BTF (the size stays). So CO-RE reports a missing field instead of letting a program read zeros. A struct that only
 * has a hole can be pointed at and compared with NULL, no more.
 *
 * Build switches:
 *   EMULATE_TVA_SWAP_PAGEFAULT  patch 04 of the series: the fifth tva_type
 *   EMULATE_TYPE_TAGS           record __rcu as BTF type tags; the reference kernel was built by gcc and has none
 */
#ifndef EMULATED_H
#define EMULATED_H

#define HOLE(at, bytes) char __hole_##at[bytes]
#define AT(type, member, offset) _Static_assert(__builtin_offsetof(type, member) == (offset), #type "." #member)
#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), "size of " #type)

#ifdef EMULATE_TYPE_TAGS
#define __rcu __attribute__((btf_type_tag("rcu")))
#else
#define __rcu
#endif

/* A function that the kernel has: only declared here; the BTF build gives it a body so that clang records it. */
#ifndef FUNC_BODY
#define FUNC_BODY ;
#endif
#define __bpf_kfunc __attribute__((btf_decl_tag("bpf_kfunc")))

/* ---------------------------------------------------------------- scalars */

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __s8 s8;
typedef __u8 u8;
typedef __s16 s16;
typedef __u16 u16;
typedef __s32 s32;
typedef __u32 u32;
typedef __s64 s64;
typedef __u64 u64;
typedef _Bool bool;
typedef int __kernel_pid_t;
typedef __kernel_pid_t pid_t;
typedef unsigned long vm_flags_t;
typedef unsigned int mm_id_t;

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic64_t;

typedef atomic64_t atomic_long_t;

typedef struct refcount_struct {
	atomic_t refs;
} refcount_t;

struct list_head {
	struct list_head *next, *prev;
};

SIZE(atomic_t, 4);
SIZE(atomic_long_t, 8);
SIZE(refcount_t, 4);
SIZE(struct list_head, 16);

/* ---------------------------------------------------------------- things only pointed at, or only embedded */

struct anon_vma { HOLE(0, 96); } __attribute__((aligned(8)));
struct completion { HOLE(0, 32); } __attribute__((aligned(8)));
struct maple_tree { HOLE(0, 16); } __attribute__((aligned(8)));
struct mempolicy { HOLE(0, 288); } __attribute__((aligned(8)));
struct rw_semaphore { HOLE(0, 40); } __attribute__((aligned(8)));
struct signal_struct { HOLE(0, 1144); } __attribute__((aligned(8)));
struct vm_operations_struct { HOLE(0, 120); } __attribute__((aligned(8)));

SIZE(struct anon_vma, 96);
SIZE(struct completion, 32);
SIZE(struct maple_tree, 16);
SIZE(struct mempolicy, 288);
SIZE(struct rw_semaphore, 40);
SIZE(struct signal_struct, 1144);
SIZE(struct vm_operations_struct, 120);

/* ---------------------------------------------------------------- files: enough to tell which program runs */

struct inode {
	HOLE(0, 64);
	unsigned long i_ino;
	HOLE(72, 544);
};

AT(struct inode, i_ino, 64);
SIZE(struct inode, 616);

struct file {
	HOLE(0, 32);
	struct inode *f_inode;
	HOLE(40, 144);
};

AT(struct file, f_inode, 32);
SIZE(struct file, 184);

/* ---------------------------------------------------------------- pressure stall information */

enum psi_states {
	PSI_IO_SOME,
	PSI_IO_FULL,
	PSI_MEM_SOME,
	PSI_MEM_FULL,
	PSI_CPU_SOME,
	PSI_CPU_FULL,
	PSI_NONIDLE,
	NR_PSI_STATES,
};

struct psi_group {
	HOLE(0, 248);
	u64 total[12];		/* 2 aggregators x 6 states, ns */
	unsigned long avg[18];	/* 6 states x {10 s, 60 s, 300 s}; fixed point, 11 fraction bits */
	HOLE(488, 232);
};

AT(struct psi_group, total, 248);
AT(struct psi_group, avg, 344);
SIZE(struct psi_group, 720);

/* ---------------------------------------------------------------- control groups */

struct cgroup;

struct kernfs_node {
	HOLE(0, 16);
	const char *name;
	HOLE(24, 72);
	u64 id;
	HOLE(104, 32);
};

AT(struct kernfs_node, name, 16);
AT(struct kernfs_node, id, 96);
SIZE(struct kernfs_node, 136);

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	HOLE(8, 176);
	struct cgroup_subsys_state *parent;
	HOLE(192, 16);
};

AT(struct cgroup_subsys_state, cgroup, 0);
AT(struct cgroup_subsys_state, parent, 184);
SIZE(struct cgroup_subsys_state, 208);

struct cgroup {
	struct cgroup_subsys_state self;
	HOLE(208, 8);
	int level;
	HOLE(220, 36);
	struct kernfs_node *kn;
	HOLE(264, 288);
	struct cgroup_subsys_state __rcu *subsys[12];
	HOLE(648, 504);
	struct psi_group *psi;
	HOLE(1160, 1080);
};

AT(struct cgroup, self, 0);
AT(struct cgroup, level, 216);
AT(struct cgroup, kn, 256);
AT(struct cgroup, subsys, 552);
AT(struct cgroup, psi, 1152);
SIZE(struct cgroup, 2240);

struct css_set {
	HOLE(0, 112);
	struct cgroup *dfl_cgrp;
	HOLE(120, 424);
};

AT(struct css_set, dfl_cgrp, 112);
SIZE(struct css_set, 544);

/* ---------------------------------------------------------------- the BPF-THP type */

struct mm_struct;
struct vm_area_struct;

enum tva_type {
	TVA_SMAPS,
	TVA_PAGEFAULT,
	TVA_KHUGEPAGED,
	TVA_FORCED_COLLAPSE,
#ifdef EMULATE_TVA_SWAP_PAGEFAULT
	TVA_SWAP_PAGEFAULT,
#endif
};

typedef int thp_order_fn_t(struct vm_area_struct *vma, enum tva_type type, unsigned long orders);

struct bpf_thp_ops {
	pid_t pid;			/* the process to manage */
	thp_order_fn_t *thp_get_order;	/* required */
	struct list_head mm_list;	/* private: the mms under management */
};

AT(struct bpf_thp_ops, pid, 0);
AT(struct bpf_thp_ops, thp_get_order, 8);
AT(struct bpf_thp_ops, mm_list, 16);
SIZE(struct bpf_thp_ops, 32);

struct bpf_mm_ops {
	struct bpf_thp_ops __rcu *bpf_thp;
	struct list_head bpf_thp_list;
};

AT(struct bpf_mm_ops, bpf_thp, 0);
AT(struct bpf_mm_ops, bpf_thp_list, 8);
SIZE(struct bpf_mm_ops, 24);

/* ---------------------------------------------------------------- address spaces */

struct task_struct;

typedef struct pgprot {
	unsigned long pgprot;
} pgprot_t;

typedef struct {
	unsigned long pgd;
} pgd_t;

typedef struct {
	unsigned long __mm_flags[1];
} mm_flags_t;

struct percpu_counter {
	HOLE(0, 8);
	s64 count;
	HOLE(16, 24);
};

AT(struct percpu_counter, count, 8);
SIZE(struct percpu_counter, 40);

struct mm_struct {
	struct {
		struct {
			atomic_t mm_count;
			HOLE(4, 60);
		};
		struct maple_tree mm_mt;
		unsigned long mmap_base;
		HOLE(88, 24);
		unsigned long task_size;
		pgd_t *pgd;
		HOLE(128, 4);
		atomic_t mm_users;
		HOLE(136, 40);
		int map_count;
		HOLE(180, 4);
		struct rw_semaphore mmap_lock;
		HOLE(224, 120);
		unsigned long hiwater_rss;
		HOLE(352, 8);
		unsigned long total_vm;
		HOLE(368, 40);
		vm_flags_t def_flags;
		HOLE(416, 8);
		unsigned long start_code;
		HOLE(432, 24);
		unsigned long start_brk;
		unsigned long brk;
		unsigned long start_stack;
		HOLE(480, 480);
		struct percpu_counter rss_stat[4];	/* file, anonymous, swap entries, shmem */
		HOLE(1120, 152);
		mm_flags_t flags;
		HOLE(1280, 16);
		struct task_struct __rcu *owner;
		HOLE(1304, 8);
		struct file __rcu *exe_file;
		HOLE(1320, 120);
		mm_id_t mm_id;
		struct bpf_mm_ops bpf_mm;	/* v11 patch: takes the padding that 6.18 has here */
	} __attribute__((aligned(64)));
};

AT(struct mm_struct, mm_count, 0);
AT(struct mm_struct, mm_mt, 64);
AT(struct mm_struct, mmap_base, 80);
AT(struct mm_struct, task_size, 112);
AT(struct mm_struct, pgd, 120);
AT(struct mm_struct, mm_users, 132);
AT(struct mm_struct, map_count, 176);
AT(struct mm_struct, mmap_lock, 184);
AT(struct mm_struct, hiwater_rss, 344);
AT(struct mm_struct, total_vm, 360);
AT(struct mm_struct, def_flags, 408);
AT(struct mm_struct, start_code, 424);
AT(struct mm_struct, start_brk, 456);
AT(struct mm_struct, brk, 464);
AT(struct mm_struct, start_stack, 472);
AT(struct mm_struct, rss_stat, 960);
AT(struct mm_struct, flags, 1272);
AT(struct mm_struct, owner, 1296);
AT(struct mm_struct, exe_file, 1312);
AT(struct mm_struct, mm_id, 1440);
AT(struct mm_struct, bpf_mm, 1448);
SIZE(struct mm_struct, 1472);

struct vm_area_struct {
	union {
		struct {
			unsigned long vm_start;
			unsigned long vm_end;
		};
	};
	struct mm_struct *vm_mm;
	pgprot_t vm_page_prot;
	union {
		const vm_flags_t vm_flags;
		vm_flags_t __vm_flags;
	};
	HOLE(40, 24);
	struct anon_vma *anon_vma;
	const struct vm_operations_struct *vm_ops;
	unsigned long vm_pgoff;
	struct file *vm_file;
	HOLE(96, 16);
	struct mempolicy *vm_policy;
	HOLE(120, 72);
} __attribute__((aligned(64)));

AT(struct vm_area_struct, vm_start, 0);
AT(struct vm_area_struct, vm_end, 8);
AT(struct vm_area_struct, vm_mm, 16);
AT(struct vm_area_struct, vm_page_prot, 24);
AT(struct vm_area_struct, vm_flags, 32);
AT(struct vm_area_struct, __vm_flags, 32);
AT(struct vm_area_struct, anon_vma, 64);
AT(struct vm_area_struct, vm_ops, 72);
AT(struct vm_area_struct, vm_pgoff, 80);
AT(struct vm_area_struct, vm_file, 88);
AT(struct vm_area_struct, vm_policy, 112);
SIZE(struct vm_area_struct, 192);

/* ---------------------------------------------------------------- tasks */

struct task_struct {
	HOLE(0, 44);
	unsigned int flags;
	HOLE(48, 1088);
	struct mm_struct *mm;
	struct mm_struct *active_mm;
	HOLE(1152, 8);
	int exit_state;
	HOLE(1164, 100);
	pid_t pid;
	pid_t tgid;
	HOLE(1272, 8);
	struct task_struct __rcu *real_parent;
	struct task_struct __rcu *parent;
	struct list_head children;
	struct list_head sibling;
	struct task_struct *group_leader;
	HOLE(1336, 120);
	struct completion *vfork_done;
	HOLE(1464, 88);
	u64 start_time;		/* ns, CLOCK_MONOTONIC */
	u64 start_boottime;	/* ns, CLOCK_BOOTTIME */
	HOLE(1568, 184);
	char comm[16];
	HOLE(1768, 80);
	struct signal_struct *signal;
	HOLE(1856, 520);
	struct css_set __rcu *cgroups;
	HOLE(2384, 880);
} __attribute__((aligned(64)));

AT(struct task_struct, flags, 44);
AT(struct task_struct, mm, 1136);
AT(struct task_struct, active_mm, 1144);
AT(struct task_struct, exit_state, 1160);
AT(struct task_struct, pid, 1264);
AT(struct task_struct, tgid, 1268);
AT(struct task_struct, real_parent, 1280);
AT(struct task_struct, parent, 1288);
AT(struct task_struct, children, 1296);
AT(struct task_struct, sibling, 1312);
AT(struct task_struct, group_leader, 1328);
AT(struct task_struct, vfork_done, 1456);
AT(struct task_struct, start_time, 1552);
AT(struct task_struct, start_boottime, 1560);
AT(struct task_struct, comm, 1752);
AT(struct task_struct, signal, 1848);
AT(struct task_struct, cgroups, 2376);
SIZE(struct task_struct, 3264);

/* ---------------------------------------------------------------- BPF maps, through a pointer */

enum bpf_map_type {
	BPF_MAP_TYPE_UNSPEC = 0,
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_STACK_TRACE = 7,
	BPF_MAP_TYPE_CGROUP_ARRAY = 8,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LRU_PERCPU_HASH = 10,
	BPF_MAP_TYPE_LPM_TRIE = 11,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_HASH_OF_MAPS = 13,
	BPF_MAP_TYPE_DEVMAP = 14,
	BPF_MAP_TYPE_SOCKMAP = 15,
	BPF_MAP_TYPE_CPUMAP = 16,
	BPF_MAP_TYPE_XSKMAP = 17,
	BPF_MAP_TYPE_SOCKHASH = 18,
	BPF_MAP_TYPE_CGROUP_STORAGE_DEPRECATED = 19,
	BPF_MAP_TYPE_CGROUP_STORAGE = 19,
	BPF_MAP_TYPE_REUSEPORT_SOCKARRAY = 20,
	BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE_DEPRECATED = 21,
	BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE = 21,
	BPF_MAP_TYPE_QUEUE = 22,
	BPF_MAP_TYPE_STACK = 23,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_DEVMAP_HASH = 25,
	BPF_MAP_TYPE_STRUCT_OPS = 26,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_INODE_STORAGE = 28,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
	BPF_MAP_TYPE_BLOOM_FILTER = 30,
	BPF_MAP_TYPE_USER_RINGBUF = 31,
	BPF_MAP_TYPE_CGRP_STORAGE = 32,
	BPF_MAP_TYPE_ARENA = 33,
	__MAX_BPF_MAP_TYPE = 34,
};

struct bpf_map {
	HOLE(0, 64);
	enum bpf_map_type map_type;
	u32 key_size;
	u32 value_size;
	u32 max_entries;
	u64 map_extra;
	u32 map_flags;
	u32 id;
	HOLE(96, 40);
	char name[16];
	HOLE(152, 144);
};

AT(struct bpf_map, map_type, 64);
AT(struct bpf_map, key_size, 68);
AT(struct bpf_map, value_size, 72);
AT(struct bpf_map, max_entries, 76);
AT(struct bpf_map, map_extra, 80);
AT(struct bpf_map, map_flags, 88);
AT(struct bpf_map, id, 92);
AT(struct bpf_map, name, 136);
SIZE(struct bpf_map, 296);

/* ---------------------------------------------------------------- struct_ops: value types and stubs */

enum bpf_struct_ops_state {
	BPF_STRUCT_OPS_STATE_INIT,
	BPF_STRUCT_OPS_STATE_INUSE,
	BPF_STRUCT_OPS_STATE_TOBEFREE,
	BPF_STRUCT_OPS_STATE_READY,
};

struct bpf_struct_ops_common_value {
	refcount_t refcnt;
	enum bpf_struct_ops_state state;
};

AT(struct bpf_struct_ops_common_value, refcnt, 0);
AT(struct bpf_struct_ops_common_value, state, 4);
SIZE(struct bpf_struct_ops_common_value, 8);

struct bpf_struct_ops_bpf_thp_ops {
	struct bpf_struct_ops_common_value common;
	struct bpf_thp_ops data __attribute__((aligned(64)));
};

AT(struct bpf_struct_ops_bpf_thp_ops, common, 0);
AT(struct bpf_struct_ops_bpf_thp_ops, data, 64);
SIZE(struct bpf_struct_ops_bpf_thp_ops, 128);

int bpf_thp_get_order(struct vm_area_struct *vma, enum tva_type type, unsigned long orders) FUNC_BODY

struct bpf_dummy_ops_state {
	int val;
};

struct bpf_dummy_ops {
	int (*test_1)(struct bpf_dummy_ops_state *cb);
	int (*test_2)(struct bpf_dummy_ops_state *cb, int a1, unsigned short a2, char a3, unsigned long a4);
	int (*test_sleepable)(struct bpf_dummy_ops_state *cb);
};

AT(struct bpf_dummy_ops, test_1, 0);
AT(struct bpf_dummy_ops, test_2, 8);
AT(struct bpf_dummy_ops, test_sleepable, 16);
SIZE(struct bpf_dummy_ops_state, 4);
SIZE(struct bpf_dummy_ops, 24);

struct bpf_struct_ops_bpf_dummy_ops {
	struct bpf_struct_ops_common_value common;
	struct bpf_dummy_ops data __attribute__((aligned(64)));
};

AT(struct bpf_struct_ops_bpf_dummy_ops, common, 0);
AT(struct bpf_struct_ops_bpf_dummy_ops, data, 64);
SIZE(struct bpf_struct_ops_bpf_dummy_ops, 128);

int bpf_dummy_ops__test_1(struct bpf_dummy_ops_state *cb__nullable) FUNC_BODY
int bpf_dummy_test_2(struct bpf_dummy_ops_state *cb, int a1, unsigned short a2, char a3, unsigned long a4) FUNC_BODY
int bpf_dummy_test_sleepable(struct bpf_dummy_ops_state *cb) FUNC_BODY

/* ---------------------------------------------------------------- kfuncs */

#include "bpf.h"

__bpf_kfunc struct task_struct *bpf_task_acquire(struct task_struct *p) FUNC_BODY
__bpf_kfunc void bpf_task_release(struct task_struct *p) FUNC_BODY
__bpf_kfunc struct task_struct *bpf_task_from_pid(s32 pid) FUNC_BODY
__bpf_kfunc struct task_struct *bpf_task_from_vpid(s32 vpid) FUNC_BODY
__bpf_kfunc struct cgroup *bpf_cgroup_acquire(struct cgroup *cgrp) FUNC_BODY
__bpf_kfunc void bpf_cgroup_release(struct cgroup *cgrp) FUNC_BODY
__bpf_kfunc struct cgroup *bpf_cgroup_from_id(u64 cgid) FUNC_BODY
__bpf_kfunc struct cgroup *bpf_cgroup_ancestor(struct cgroup *cgrp, int level) FUNC_BODY
__bpf_kfunc long bpf_task_under_cgroup(struct task_struct *task, struct cgroup *ancestor) FUNC_BODY
__bpf_kfunc void bpf_rcu_read_lock(void) FUNC_BODY
__bpf_kfunc void bpf_rcu_read_unlock(void) FUNC_BODY

#include "kfuncs.h"

#endif
