# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the loader must do with any bytes: give a value or a typed error, in a few seconds and little memory."""

from __future__ import annotations

import resource
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType

from bpfvm.btf import Btf
from bpfvm.btf.check import BtfVerdict, check_btf
from bpfvm.btf.dump_c import dump_c
from bpfvm.btf.dump_raw import dump_raw
from bpfvm.btf.write import rewrite
from bpfvm.elf import read_elf
from bpfvm.errors import BadInput, UsageError
from bpfvm.obj.kernel_btf import kernel_btf_bytes
from bpfvm.obj.link import explain_core, link_program
from bpfvm.obj.linker import link_objects
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.open import open_object
from bpfvm.report.listing import object_data

ROOT = Path(__file__).parents[3]
SECONDS = 10.0
MEMORY = 3 << 30


class Hang(BaseException):
    """One input took longer than SECONDS."""


@cache
def kernel() -> Btf:
    return Btf.parse((ROOT / "thpmm/kernel/emulated.btf").read_bytes(), name="emulated")


def limit_memory() -> None:
    """More than MEMORY bytes of address space give a MemoryError, which nothing of ours catches."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))


@contextmanager
def timed() -> Iterator[None]:
    """Raises Hang when the block takes longer than SECONDS."""

    def expired(_signal: int, _frame: FrameType | None) -> None:
        raise Hang(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judge(data: bytes, seen: Counter[str]) -> None:
    """Do all that the loader can do with ``data``; ``seen`` counts endings. Anything but BadInput goes through."""
    _try(lambda: _btf(data), seen, "btf")
    _try(lambda: link_objects([(data, "one"), (data, "again")]), seen, "link statically")
    spec = _try(lambda: open_object(data), seen, "open")
    if spec is None:
        return
    _try(lambda: object_data(spec), seen, "list")
    if spec.btf is not None:
        made = spec.btf
        _try(lambda: check_btf(kernel_btf_bytes(made)), seen, "for the kernel")
    _try(lambda: open_object(link_objects([(data, "alone")])), seen, "link alone")
    for name in spec.programs:
        _try(lambda name=name: link_program(spec, name, kernel()), seen, "link")  # type: ignore[misc]
        _try(lambda name=name: _explain(spec, name), seen, "explain")  # type: ignore[misc]


def _try(step: Callable[[], ObjectSpec | object], seen: Counter[str], what: str) -> ObjectSpec | None:
    try:
        value = step()
    except BadInput as error:
        assert error.message and str(error), "an error without words"
        seen[f"{what}: refused{_placed(error)}"] += 1
        return None
    seen[f"{what}: done"] += 1
    return value if isinstance(value, ObjectSpec) else None


def _placed(error: BadInput) -> str:
    if error.section is None and error.offset is None:
        return ", without a place"
    return "" if error.offset is not None else ", without an offset"


def _explain(spec: ObjectSpec, name: str) -> None:
    for each in explain_core(spec, name, kernel(), keep_going=True):
        assert each.verdict in ("relocated", "unchanged", "poisoned", "failed")


def _btf(data: bytes) -> None:
    section = read_elf(data, "fuzzed").section(".BTF")
    if section is None:
        return
    assert isinstance(check_btf(bytes(section.data)), BtfVerdict)
    btf = Btf.parse(bytes(section.data))
    dump_raw(btf)
    try:
        rewrite(btf)
    except UsageError as error:  # names that can't be written can't be read either
        raise AssertionError("what was read can't be written") from error
    dump_c(btf)
