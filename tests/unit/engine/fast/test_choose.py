# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Engines by name."""

from __future__ import annotations

import sys

import pytest

from bpfvm.engine.choose import ENGINES, engine_class, make_engine
from bpfvm.engine.fast import FastEngine
from bpfvm.engine.interp import Interpreter
from bpfvm.engine.jit import JitEngine, available
from bpfvm.errors import UsageError
from bpfvm.memory import Memory
from tests.unit.engine.test_interp import Kernel, image


def test_names() -> None:
    assert engine_class("interp") is Interpreter
    assert engine_class("fast") is FastEngine
    assert engine_class("auto") is (JitEngine if available() else FastEngine)
    assert set(ENGINES) == {"auto", "interp", "fast", "jit"}


def test_unknown_name() -> None:
    with pytest.raises(UsageError, match="engine `quick`; there are auto, interp, fast, jit"):
        engine_class("quick")


def test_auto_without_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bpfvm.engine.jit.llvm.available", lambda: False)
    assert engine_class("auto") is FastEngine
    with pytest.raises(UsageError, match=r"needs the package llvmlite: pip install 'bpfvm\[jit\]'"):
        make_engine("jit", Memory(1 << 20), Kernel())


class WithoutJit:
    """An import system in which llvmlite is not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.startswith("bpfvm.engine.jit"):
            raise ModuleNotFoundError(name="llvmlite")


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("bpfvm.engine.jit")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [WithoutJit(), *sys.meta_path])
    with pytest.raises(UsageError, match=r"engine `jit` needs llvmlite: pip install 'bpfvm\[jit\]'"):
        engine_class("jit")


@pytest.mark.parametrize("name", ["interp", "fast", "auto"])
def test_made_engines_run(name: str) -> None:
    assert make_engine(name, Memory(1 << 20), Kernel()).run(image("r0 = r1\nexit"), 7) == 7
