# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The compiler: images become native code through LLVM (package llvmlite, extra ``jit``)."""

from __future__ import annotations

from bpfvm.engine.jit.engine import JitEngine
from bpfvm.engine.jit.llvm import available

__all__ = ["JitEngine", "available"]
