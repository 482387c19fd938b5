/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a verifier should say of a program, written beside the program.
 *
 * The tags are those that the kernel tree's test_loader reads, so its runner can take these objects, too. Several
 * __msg of one program are expected in that order; {{ and }} enclose a POSIX regular expression. What holds for a
 * program loaded without capabilities has `_unpriv` in its name.
 */
#ifndef BPFVM_EXPECT_H
#define BPFVM_EXPECT_H

#define EXPECT(text) __attribute__((btf_decl_tag("comment:test_" text)))
#define EXPECT_TEXT(number) EXPECT_TEXT_(number)
#define EXPECT_TEXT_(number) #number

#define __success EXPECT("expect_success")
#define __failure EXPECT("expect_failure")
#define __msg(text) EXPECT("expect_msg=" EXPECT_TEXT(__COUNTER__) "=" text)
#define __retval(value) EXPECT("retval=" EXPECT_TEXT(value))
#define __success_unpriv EXPECT("expect_success_unpriv")
#define __failure_unpriv EXPECT("expect_failure_unpriv")
#define __msg_unpriv(text) EXPECT("expect_msg_unpriv=" EXPECT_TEXT(__COUNTER__) "=" text)
#define __log_level(level) EXPECT("log_level=" EXPECT_TEXT(level))
#define __flag(name) EXPECT("prog_flags=" EXPECT_TEXT(name))

/* A function whose body is its instructions and nothing else: `asm volatile("...")` with one instruction a line. */
#define __naked __attribute__((naked))
#define __hidden __attribute__((visibility("hidden")))
#define __imm(name) [name] "i"(name)
#define __imm_addr(name) [name] "i"(&name)

/* ---- maps in one line ---- */
#define MAP(NAME, TYPE, KEY, VALUE, ENTRIES, FLAGS)                                                        \
	struct {                                                                                           \
		__uint(type, TYPE);                                                                        \
		__type(key, KEY);                                                                          \
		__type(value, VALUE);                                                                      \
		__uint(max_entries, ENTRIES);                                                              \
		__uint(map_flags, FLAGS);                                                                  \
	} NAME SEC(".maps")

/* ---- objects of the program's own types ---- */
#define __kptr __attribute__((btf_type_tag("kptr")))
#define __kptr_untrusted __attribute__((btf_type_tag("kptr_untrusted")))
#define __contains(type, node) __attribute__((btf_decl_tag("contains:" #type ":" #node)))
#define private(name) SEC(".bss." #name) __hidden __attribute__((aligned(8)))
#define container_of(ptr, type, member) ((type *)((void *)(ptr) - __builtin_offsetof(type, member)))
#define obj_new(type) ((type *)bpf_obj_new_impl(__builtin_btf_type_id(*(type *)0, 0), NULL))
#define obj_drop(p) bpf_obj_drop_impl(p, NULL)

/* ---- tags of a global function's arguments ---- */
#define __arg_ctx __attribute__((btf_decl_tag("arg:ctx")))
#define __arg_nonnull __attribute__((btf_decl_tag("arg:nonnull")))
#define __arg_trusted __attribute__((btf_decl_tag("arg:trusted")))
#define __arg_nullable __attribute__((btf_decl_tag("arg:nullable")))

#endif
