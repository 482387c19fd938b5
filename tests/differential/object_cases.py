# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs about locks, kernel pointers, allocated objects, lists, trees, timers, exceptions and maps of maps, in C.

Every check has a program that passes (its name ends in `_ok`) and one that does not (`_no`). Line by line: the name of
the program, then its body; `fn` before it stands for functions of its own.
"""

from __future__ import annotations

from typing import Final

PRELUDE: Final = r"""
#define NULL ((void *)0)
#define __kptr __attribute__((btf_type_tag("kptr")))
#define __kptr_untrusted __attribute__((btf_type_tag("kptr_untrusted")))
#define __percpu_kptr __attribute__((btf_type_tag("percpu_kptr")))
#define __uptr __attribute__((btf_type_tag("uptr")))
#define __contains(type, node) __attribute__((btf_decl_tag("contains:" #type ":" #node)))
#define private(name) SEC(".bss." #name) __hidden __attribute__((aligned(8)))
#define barrier_var(var) asm volatile("" : "+r"(var))
#define container_of(ptr, type, member) ((type *)((void *)(ptr) - __builtin_offsetof(type, member)))
#define __bpf_type(type) __builtin_btf_type_id(*(type *)0, 0)
#define obj_new(type) ((type *)bpf_obj_new_impl(__bpf_type(type), NULL))
#define percpu_new(type) ((type *)bpf_percpu_obj_new_impl(__bpf_type(type), NULL))
#define obj_drop(p) bpf_obj_drop_impl(p, NULL)
#define helper(number, ...) ((long (*)())(number))(__VA_ARGS__)

struct bpf_spin_lock { u32 val; };
struct bpf_res_spin_lock { u32 val; };
struct bpf_timer { u64 o[2]; } __attribute__((aligned(8)));
struct bpf_wq { u64 o[2]; } __attribute__((aligned(8)));
struct bpf_task_work { u64 o; } __attribute__((aligned(8)));
struct bpf_list_head { u64 o[2]; } __attribute__((aligned(8)));
struct bpf_list_node { u64 o[3]; } __attribute__((aligned(8)));
struct bpf_rb_root { u64 o[2]; } __attribute__((aligned(8)));
struct bpf_rb_node { u64 o[4]; } __attribute__((aligned(8)));
struct bpf_refcount { u32 o; } __attribute__((aligned(4)));
struct bpf_map;
struct task_struct { int pid; } PAI;
struct cgroup;
struct file { int f_flags; } PAI;

struct plain { long a; long b; };
struct small { int a; };
struct locked { struct bpf_spin_lock lock; int n; };
struct pointing { long a; struct plain __kptr *p; };
struct item { long key; struct bpf_list_node node; struct bpf_list_node other; };
struct stranger { long key; struct bpf_list_node node; };
struct leaf { long key; struct bpf_rb_node node; };
struct shared { long key; struct bpf_rb_node tree; struct bpf_list_node list; struct bpf_refcount count; };
struct owner { struct bpf_spin_lock lock; struct bpf_list_head items __contains(item, node); };
struct big { char c[600]; };

extern void *bpf_obj_new_impl(u64 id, void *meta) __ksym;
extern void bpf_obj_drop_impl(void *p, void *meta) __ksym;
extern void *bpf_percpu_obj_new_impl(u64 id, void *meta) __ksym;
extern void bpf_percpu_obj_drop_impl(void *p, void *meta) __ksym;
extern void *bpf_refcount_acquire_impl(void *p, void *meta) __ksym;
extern int bpf_list_push_front_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta, u64 off) __ksym;
extern int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta, u64 off) __ksym;
extern struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head) __ksym;
extern struct bpf_list_node *bpf_list_front(struct bpf_list_head *head) __ksym;
extern int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *node,
                               bool_less *less, void *meta, u64 off) __ksym;
extern struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root, struct bpf_rb_node *node) __ksym;
extern struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root) __ksym;
extern struct bpf_rb_node *bpf_rbtree_root(struct bpf_rb_root *root) __ksym;
extern struct bpf_rb_node *bpf_rbtree_left(struct bpf_rb_root *root, struct bpf_rb_node *node) __ksym;
extern int bpf_res_spin_lock(struct bpf_res_spin_lock *lock) __ksym;
extern void bpf_res_spin_unlock(struct bpf_res_spin_lock *lock) __ksym;
extern int bpf_wq_init(struct bpf_wq *wq, void *map, unsigned int flags) __ksym;
extern int bpf_wq_set_callback_impl(struct bpf_wq *wq, wq_callback *cb, unsigned int flags, void *aux) __ksym;
extern int bpf_wq_start(struct bpf_wq *wq, unsigned int flags) __ksym;
extern int bpf_task_work_schedule_signal_impl(struct task_struct *task, struct bpf_task_work *tw, void *map,
                                              work_callback *cb, void *aux) __ksym;
extern void bpf_throw(u64 cookie) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern struct task_struct *bpf_task_acquire(struct task_struct *p) __ksym;
extern void bpf_task_release(struct task_struct *p) __ksym;
extern struct task_struct *bpf_task_from_pid(int pid) __ksym;

struct value { int n; struct bpf_spin_lock lock; long m; };
struct res_value { struct bpf_res_spin_lock lock; int n; };
struct kptr_value {
    long n;
    struct task_struct __kptr_untrusted *loose;
    struct task_struct __kptr *task;
    struct plain __kptr *plain;
    struct small __percpu_kptr *percpu;
    struct shared __kptr *shared;
};
struct timer_value { long n; struct bpf_timer timer; };
struct wq_value { long n; struct bpf_wq wq; };
struct work_value { long n; struct bpf_task_work work; };
struct uptr_value { long n; struct plain __uptr *user; };
struct list_value { struct bpf_spin_lock lock; int n; struct bpf_list_head head __contains(item, node); };

#define MAP(NAME, TYPE, KEY, VALUE, ENTRIES, FLAGS) \
    struct { __uint(type, TYPE); __type(key, KEY); __type(value, VALUE); __uint(max_entries, ENTRIES); \
             __uint(map_flags, FLAGS); } NAME SEC(".maps")
MAP(locks, 2, int, struct value, 4, 0);
MAP(locks2, 1, int, struct value, 4, 0);
MAP(reslocks, 2, int, struct res_value, 4, 0);
MAP(kptrs, 2, int, struct kptr_value, 4, 0);
MAP(numbers, 2, int, long, 4, 0);
MAP(timers, 2, int, struct timer_value, 4, 0);
MAP(timers2, 2, int, struct timer_value, 4, 0);
MAP(wqs, 2, int, struct wq_value, 4, 0);
MAP(works, 2, int, struct work_value, 4, 0);
MAP(works2, 2, int, struct work_value, 4, 0);
MAP(lists, 1, int, struct list_value, 4, 0);
MAP(tasks, 29, int, struct value, 0, 1);
MAP(users, 29, int, struct uptr_value, 0, 1);
MAP(cgroups, 32, int, long, 0, 1);
struct { __uint(type, 27); __uint(max_entries, 4096); } ring SEC(".maps");
struct { __uint(type, 3); __uint(key_size, 4); __uint(value_size, 4); __uint(max_entries, 2); } progs SEC(".maps");
struct inner { __uint(type, 2); __type(key, int); __type(value, struct timer_value); __uint(max_entries, 4); };
struct { __uint(type, 12); __uint(max_entries, 2); __uint(key_size, 4); __array(values, struct inner); }
    outer SEC(".maps");

private(A) struct bpf_spin_lock glock;
private(A) struct bpf_list_head ghead __contains(item, node);
private(A) struct bpf_list_head gother __contains(item, other);
private(B) struct bpf_spin_lock tlock;
private(B) struct bpf_rb_root troot __contains(leaf, node);
private(C) struct bpf_spin_lock slock;
private(C) struct bpf_rb_root stree __contains(shared, tree);
private(C) struct bpf_list_head slist __contains(shared, list);
private(D) struct bpf_spin_lock lonely;
private(E) struct plain __kptr *gptr;

#define lookup(map) int key = 0; typeof(*(map).value) *v = (void *)helper(1, &map, &key); if (!v) return 0;
#define lock(l) helper(93, l)
#define unlock(l) helper(94, l)
#define xchg(field, p) ((void *)helper(194, field, p))
#define current() ((struct task_struct *)helper(158))
"""
PRELUDE_TYPES: Final = """
struct bpf_rb_node;
typedef _Bool (bool_less)(struct bpf_rb_node *a, const struct bpf_rb_node *b);
typedef int (wq_callback)(void *map, int *key, void *value);
typedef int (work_callback)(struct bpf_map *map, void *key, void *value);
"""
LESS: Final = """
static _Bool {0}_less(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{{ return container_of(a, struct leaf, node)->key < container_of(b, struct leaf, node)->key; }}
"""
LEAF: Final = "struct leaf *n = obj_new(struct leaf); if (!n) return 0; "
ITEM: Final = "struct item *n = obj_new(struct item); if (!n) return 0; "
SHARED: Final = "struct shared *n = obj_new(struct shared); if (!n) return 0; "
PUSH: Final = "bpf_list_push_front_impl(&ghead, &n->node, NULL, 0); "
ADD: Final = "bpf_rbtree_add_impl(&troot, &n->node, {0}_less, NULL, 0); "
CALLBACK: Final = "static int {0}_cb(void *map, int *key, struct {1} *v) {{ {2} }}\n"
TIMER: Final = "lookup(timers) helper(169, &v->timer, &timers, 0); helper(170, &v->timer, {0}_cb); "
WQ: Final = (
    "lookup(wqs) bpf_wq_init(&v->wq, &wqs, 0); bpf_wq_set_callback_impl(&v->wq, (wq_callback *){0}_cb, 0, NULL); "
    "bpf_wq_start(&v->wq, 0);"
)
WORK: Final = (
    "lookup(works) bpf_task_work_schedule_signal_impl(current(), &v->work, &{1}, (work_callback *){0}_cb, NULL); "
)
