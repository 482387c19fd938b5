# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is read from a kernel module's source."""

from __future__ import annotations

from tests.conformance.kernel.testmod import Function, functions

SOURCE = """
static int plain(void)
{
    if (a) {
        return 0;
    }
    else if (b(c)) {
    }
}

__bpf_kfunc struct thing *
make_thing(int *err, u64 values[])
{
}

noinline ssize_t reads(struct file *file, char *buf__nullable, loff_t off) {
    return 0;
}

__bpf_kfunc s64 *next(struct it* it__iter)
{
}
int declared_only(int x);
"""


def test_functions_and_the_names_of_their_parameters() -> None:
    assert functions(SOURCE) == [
        Function("plain", "int", "void", ()),
        Function("make_thing", "struct thing *", "int *err, u64 values[]", ("err", "values")),
        Function(
            "reads",
            "ssize_t",
            "struct file *file, char *buf__nullable, loff_t off",
            ("file", "buf__nullable", "off"),
        ),
        Function("next", "s64 *", "struct it* it__iter", ("it__iter",)),
    ]
