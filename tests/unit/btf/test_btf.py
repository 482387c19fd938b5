# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Looking things up: what is found, and that nothing else is parsed for it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bpfvm.btf import Btf, btf
from bpfvm.btf import types as t
from bpfvm.btf.builder import Builder

VMLINUX = Path("/sys/kernel/btf/vmlinux")


def test_one_struct_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The target is 1.5 s on an idle machine; the processor's time counts here, because tests share theirs."""
    if not VMLINUX.exists():
        pytest.skip("this kernel has no BTF")
    data = VMLINUX.read_bytes()
    parsed = []
    original = btf.parse_type
    monkeypatch.setattr(btf, "parse_type", lambda *args: parsed.append(args[1]) or original(*args))
    start = time.process_time()
    kernel = Btf.parse(data)
    task = kernel.struct("task_struct")
    assert time.process_time() - start < 1.5
    assert len(parsed) < 5
    assert len(task.members) > 100 and len(kernel) > 50_000


def test_names_kinds_and_flavours() -> None:
    b = Builder()
    number = b.integer("int", 4)
    first = b.struct("s", [("a", number)])
    alias = b.typedef("s", first)
    flavour = b.struct("s___old", [("b", number)])
    found = b.build()
    assert list(found.find_all("s")) == [first, alias]
    assert found.find("s", t.Typedef) == alias and found.find("none") == 0
    assert found.flavours("s") == ["s___old"]
    assert isinstance(found.resolve(alias), t.Struct) and found.find("s___old") == flavour
