# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The one door to llvmlite, imported when first needed: LLVM assembly to object code, that to callable addresses."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from itertools import count
from typing import Any, ClassVar, Final

from bpfvm.engine.jit.effort import Effort
from bpfvm.errors import InternalError, UsageError

POINTER = ctypes.sizeof(ctypes.c_void_p)


def available() -> bool:
    """Is llvmlite installed, on a machine with 64-bit addresses?"""
    return find_spec("llvmlite") is not None and POINTER == 8


def require() -> None:
    """Raises UsageError where there is no compiler. Doesn't import it: that takes a tenth of a second."""
    if not available():
        raise UsageError("the compiler needs the package llvmlite: pip install 'bpfvm[jit]'")


@cache
def _binding() -> Any:
    require()
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@cache
def _host() -> tuple[str, str]:
    """Name of this CPU, and its features."""
    llvm = _binding()
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


_LEVELS: Final[dict[Effort, int]] = {"best": 2, "good": 1, "fair": 0, "least": 0}
"""Care in code generation."""
TRIPLES: Final = {"x86_64": "x86_64-unknown-linux-gnu", "aarch64": "aarch64-unknown-linux-gnu"}
"""What code can be written for besides this machine, by the names that uname gives machines."""


@cache
def _foreign(level: int, arch: str) -> Any:
    """For a machine of architecture `arch` about which nothing else is known."""
    llvm = _binding()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        target = llvm.Target.from_triple(TRIPLES[arch])
    except RuntimeError as why:
        raise UsageError(f"this LLVM writes no code for {arch}: {why}") from why
    return target.create_target_machine(opt=level, reloc="pic", codemodel="default")


@cache
def _machine(level: int) -> Any:
    cpu, features = _host()
    target = _binding().Target.from_default_triple()
    return target.create_target_machine(
        cpu=cpu, features=features, opt=level, reloc="pic", codemodel="default", jit=True
    )


@cache
def identity() -> str:
    """What object code depends on besides its source: versions and CPU."""
    import llvmlite

    llvm = _binding()
    version = ".".join(map(str, llvm.llvm_version_info))
    return f"{llvmlite.__version__} {version} {llvm.get_process_triple()} {' '.join(_host())}"


def _parse(text: str) -> Any:
    llvm = _binding()
    try:  # a context of its own, because the global one keeps constants and names of all modules
        module = llvm.parse_assembly(text, llvm.create_context())
        module.verify()
    except RuntimeError as why:
        raise InternalError(f"LLVM doesn't take our code: {why}") from why
    return module


def _optimise(module: Any, effort: Effort, machine: Any) -> None:
    if effort == "least":
        return
    llvm = _binding()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    if effort == "best":
        passes = builder.getModulePassManager()
    else:
        passes = llvm.create_new_module_pass_manager()
        passes.add_sroa_pass()
        passes.add_instruction_combine_pass()
        passes.add_simplify_cfg_pass()
    passes.run(module, builder)


def compile_object(text: str, effort: Effort, *, arch: str = "") -> bytes:
    """Object code for this machine, or for one of another architecture (TRIPLES).

    Raises InternalError when the assembly is wrong, UsageError for an architecture that this LLVM doesn't know.
    """
    level = _LEVELS[effort]
    module, machine = _parse(text), _foreign(level, arch) if arch else _machine(level)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    _optimise(module, effort, machine)
    return bytes(machine.emit_object(module))


class Native:
    """Object code in memory, as long as this lives. `addresses`: of its exported functions."""

    __slots__ = ("_library", "addresses")
    _jit: Any = None
    _numbers = count()
    LIBRARIES: ClassVar[int] = 256
    """How many, a power of 2, one loader of LLVM's loads: it keeps some kilobytes of each, gone ones included."""

    def __init__(self, code: bytes, exports: Iterable[str]) -> None:
        llvm = _binding()
        number = next(Native._numbers)
        if not number & (Native.LIBRARIES - 1):
            Native._jit = llvm.create_lljit_compiler()
        builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        names = sorted(exports)
        for name in names:
            builder.export_symbol(name)
        try:
            self._library = builder.link(Native._jit, f"bpf{number}")
            self.addresses = {name: int(self._library[name]) for name in names}
        except RuntimeError as why:
            raise InternalError(f"LLVM can't load its own code: {why}") from why
