# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The cases of a suite: programs of object files that say themselves what a verifier should answer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bpfvm.conform.expectation import Expectation, Mode, read_tags
from bpfvm.conform.messages import refusal
from bpfvm.errors import BadInput, UsageError
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.open import open_object
from bpfvm.paths import built_objects

PRIVILEGED, UNPRIVILEGED = "privileged", "unprivileged"
MODES = (PRIVILEGED, UNPRIVILEGED)


@dataclass(frozen=True, slots=True)
class Case:
    """One question: is this program of this object, loaded with these rights and BPF_F_* flags, to be accepted?

    ``messages``: what the log has to contain, in order; ``retval``: what it returns, as s32, a word for any value, or
    None when it isn't run.
    """

    path: str
    section: str
    program: str
    mode: str
    failure: bool
    messages: tuple[str, ...]
    flags: int = 0
    log_level: int = 0
    retval: int | str | None = None

    @property
    def name(self) -> str:
        """``object:program``, with the mode where that isn't the privileged one."""
        stem = Path(self.path).name.removesuffix(".o").removesuffix(".bpf")
        return f"{stem}:{self.program}" + (f" {self.mode}" if self.mode != PRIVILEGED else "")

    @property
    def expected(self) -> str:
        """The right answer as a word."""
        return "reject" if self.failure else "accept"


@lru_cache(maxsize=2)
def opened(path: str) -> ObjectSpec:
    """An object, kept while its programs are asked about. Raises BadInput."""
    return open_object(path)


def shipped_suite() -> Path:
    """The folder of the suite that comes with bpfvm. Raises BadInput when the installation lacks it."""
    folder = built_objects() / "verifier"
    if not folder.is_dir():
        raise BadInput("the suite's objects are missing", path=str(folder), hint="run `make progs`")
    return folder


def find_objects(written: Iterable[str | Path]) -> list[str]:
    """Object files: those named, and those in the folders named, in order. Raises UsageError for an empty folder."""
    found: list[str] = []
    for each in written:
        path = Path(each)
        inside = sorted(path.glob("*.o")) if path.is_dir() else [path]
        if not inside:
            raise UsageError(f"{each}: no *.o files in this folder")
        found += map(str, inside)
    return found


def read_suite(objects: Iterable[str], only: str = "") -> list[Case]:
    """All cases of the objects whose name matches the expression. Raises BadInput, and UsageError for a bad one."""
    try:
        wanted = re.compile(only)
    except re.error as error:
        raise UsageError(f"--only {only}: {error}") from error
    return [case for path in objects for case in _cases(path) if wanted.search(case.name)]


def _cases(path: str) -> list[Case]:
    spec = opened(path)
    found = []
    for name, program in spec.programs.items():
        expected = _expectation(spec, name)
        if expected is None or expected.auxiliary or not expected.runs_here:
            continue
        modes = ((PRIVILEGED, expected.priv, expected.is_priv), (UNPRIVILEGED, expected.unpriv, expected.unpriv.tagged))
        found += [_case(path, program.section, name, mode, of, expected) for mode, of, asked in modes if asked]
    return found


def _expectation(spec: ObjectSpec, name: str) -> Expectation | None:
    try:
        return read_tags(spec.btf, name) if spec.btf is not None else None
    except BadInput as error:
        error.path = spec.path
        raise


def _case(path: str, section: str, name: str, mode: str, of: Mode, expected: Expectation) -> Case:
    for message in of.messages:
        why = refusal(message)
        if why:
            raise BadInput(f"the message expected of {name} can't be looked for: {why}", path=path)
    failure = bool(of.failure)
    retval = None if failure else of.retval
    flags, level = expected.flags, expected.log_level
    return Case(path, section, name, mode, failure, tuple(of.messages), flags, level, retval)
