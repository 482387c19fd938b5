/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A kernel's types for a struct_ops type with one member of each sort, and the stub functions that annotate arguments. */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

struct list_head {
	struct list_head *next, *prev;
};

struct module {
	int state;
};

struct task_struct {
	int pid;
	char comm[16];
};

typedef struct {
	int counter;
} atomic_t;

typedef struct refcount_struct {
	atomic_t refs;
} refcount_t;

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

struct pair {
	u64 low;
	int high;
};

struct conf_ops {
	int (*sum)(int a, u16 b, u8 c, u64 d);
	void (*notify)(struct task_struct *task);
	u32 (*mask)(u64 orders);
	struct task_struct *(*pick)(struct task_struct *task);
	int (*maybe)(int dummy, struct task_struct *task);
	int (*take)(struct task_struct *task);
	u64 (*by_value)(struct pair pair, int last);
	int (*unsupported)(void);
	char name[16];
	int data;
	struct module *owner;
	struct list_head list;
};

struct bpf_struct_ops_conf_ops {
	struct bpf_struct_ops_common_value common;
	struct conf_ops data __attribute__((aligned(64)));
};

struct bpf_struct_ops_conf_ops conf_value;
struct module this_module;
struct task_struct init_task;

int conf_sum(int a, u16 b, u8 c, u64 d)
{
	return 0;
}

void conf_notify(struct task_struct *task)
{
}

u32 conf_mask(u64 orders)
{
	return 0;
}

struct task_struct *conf_pick(struct task_struct *task)
{
	return 0;
}

int conf_maybe(int dummy, struct task_struct *task__nullable)
{
	return 0;
}

int conf_take(struct task_struct *task__ref)
{
	return 0;
}

u64 conf_by_value(struct pair pair, int last)
{
	return 0;
}
