# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The portable fast engine: every function of a program becomes Python source, with locals for registers.

In the order of the data: `flow` cuts a function into blocks, `ranges` finds out how large its registers can get, `live`
which of them still matter, `arith`, `access` and `text` write one block, `graph` and `structure` nest blocks into loops
and branches, `translate` makes a function of it and `engine` runs it.
"""

from bpfvm.engine.fast.engine import FastEngine

__all__ = ["FastEngine"]
