# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Engines by name. Each is imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from bpfvm.errors import UsageError
from bpfvm.typed import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bpfvm.engine.services import Engine, EngineMemory, Packet, Services, TailCalls


ENGINES: Final = ("auto", "interp", "fast", "jit")


def auto() -> str:
    """What `auto` stands for: the compiler where llvmlite is, else the fast engine."""
    from bpfvm.engine.jit.llvm import available

    return "jit" if available() else "fast"


def engine_class(name: str) -> Callable[..., Engine]:
    """The class of engine `name`. Raises UsageError if there is none, or what it needs is not installed."""
    try:
        return _imported(auto() if name == "auto" else name)
    except ModuleNotFoundError as missing:
        raise UsageError(f"engine `{name}` needs {missing.name}: pip install 'bpfvm[{name}]'") from missing


def _imported(name: str) -> Callable[..., Engine]:
    match name:
        case "interp":
            from bpfvm.engine.interp import Interpreter

            return Interpreter
        case "fast":
            from bpfvm.engine.fast import FastEngine

            return FastEngine
        case "jit":
            from bpfvm.engine.jit import JitEngine

            return JitEngine
    raise UsageError(f"engine `{name}`; there are {', '.join(ENGINES)}")


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
