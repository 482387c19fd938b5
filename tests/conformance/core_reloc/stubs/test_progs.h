/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stands in for the selftests' own test_progs.h, so that prog_tests/core_reloc.c compiles for its table of cases alone:
 * every check is silent and nothing is ever run.
 */
#ifndef STUB_TEST_PROGS_H
#define STUB_TEST_PROGS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

static struct { bool has_testmod; } env;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define CHECK(condition, tag, ...) (!!(condition))
#define CHECK_FAIL(condition) (!!(condition))
#define ASSERT_OK(err, name) (!(err))
#define ASSERT_OK_PTR(ptr, name) (!!(ptr))
#define ASSERT_GE(a, b, name) ((a) >= (b))
#define ASSERT_FALSE(value, name) (!(value))
#define ASSERT_EQ(a, b, name) ((a) == (b))

static inline bool test__start_subtest(const char *name) { return false; }
static inline void test__skip(void) { }
static inline int trigger_module_test_read(int size) { return 0; }
static inline long sys_gettid(void) { return 0; }

#endif
