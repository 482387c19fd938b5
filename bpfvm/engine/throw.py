# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Exceptions of programs: bpf_throw() leaves all frames of a run (Linux 6.18 kernel/bpf/helpers.c bpf_throw)."""

from __future__ import annotations


class Thrown(Exception):
    """Raised by the kernel function bpf_throw. The engine that runs the program takes it back: what the program's
    exception callback makes of `cookie` is the result of the run, or without one the cookie (u64) itself."""

    def __init__(self, cookie: int) -> None:
        super().__init__(f"bpf_throw({cookie})")
        self.cookie = cookie
