# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Engines by name. Each is imported only when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from bpfvm.errors import UsageError
from bpfvm.typed import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bpfvm.engine.services import Engine, EngineMemory, Packet, Services, TailCalls


_CLASSES: Final = {
    "interp": ("bpfvm.engine.interp", "Interpreter"),
    "fast": ("bpfvm.engine.fast", "FastEngine"),
    "jit": ("bpfvm.engine.jit", "JitEngine"),
}
ENGINES: Final = ("auto", *_CLASSES)


def auto() -> str:
    """What `auto` stands for: the compiler where llvmlite is, else the fast engine."""
    compiler = importlib.import_module("bpfvm.engine.jit.llvm")
    return "jit" if compiler.available() else "fast"


def engine_class(name: str) -> Callable[..., Engine]:
    """The class of engine `name`. Raises UsageError if there is none, or what it needs is not installed."""
    if name not in ENGINES:
        raise UsageError(f"engine `{name}`; there are {', '.join(ENGINES)}")
    module, attribute = _CLASSES[auto() if name == "auto" else name]
    try:
        found: Callable[..., Engine] = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as missing:
        raise UsageError(f"engine `{name}` needs {missing.name}: pip install 'bpfvm[{name}]'") from missing
    return found


def make_engine(
    name: str,
    memory: EngineMemory,
    services: Services,
    *,
    packet: Packet | None = None,
    tail_calls: TailCalls | None = None,
) -> Engine:
    """A new engine; arguments as there. Raises UsageError as engine_class does."""
    return engine_class(name)(memory, services, packet=packet, tail_calls=tail_calls)
