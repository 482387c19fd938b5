# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The table of helper functions: ``@helper("map_lookup_elem")`` puts a function under its id."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.isa.helper_ids import HELPER_ID

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

Args = tuple[int, int, int, int, int]
"""r1 … r5 as u64"""
Helper = Callable[["Runtime", Args, CallFrame], int]
"""Returns r0; a negative errno is wrapped to u64 by the caller"""

HELPER_TABLE: Final[dict[int, Helper]] = {}


def helper(*names: str) -> Callable[[Helper], Helper]:
    """Register a function for the helpers with these names (without bpf_)."""

    def register(function: Helper) -> Helper:
        for name in names:
            HELPER_TABLE[HELPER_ID[name]] = function
        return function

    return register
