# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What BPF_PROG_TEST_RUN does: a context for a program type from bytes, and what is left of it afterwards."""

from __future__ import annotations

from bpfvm.runtime.test_run.contexts import RUNNABLE, TestContext, make_context
from bpfvm.runtime.test_run.convert import convert_ctx_access
from bpfvm.runtime.test_run.packet import Packet

__all__ = ["RUNNABLE", "Packet", "TestContext", "convert_ctx_access", "make_context"]
