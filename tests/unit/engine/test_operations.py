# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One function per operation, under the name that the instruction table has."""

from __future__ import annotations

import keyword

import pytest

from bpfvm.engine import alu, calls, jump, mem
from bpfvm.engine.interp import OPERATIONS
from bpfvm.isa.table import NAMES


def test_interpreter_has_the_tables_operations() -> None:
    assert set(OPERATIONS) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_function_has_the_operations_name(name: str) -> None:
    spelled = f"{name}_" if keyword.iskeyword(name) else name
    found = [module for module in (alu, jump, mem, calls) if hasattr(module, spelled)]
    assert len(found) == 1, found
    assert getattr(found[0], spelled).__doc__
