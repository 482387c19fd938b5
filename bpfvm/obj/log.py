# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The verifier's log with names that only the loader knows (libbpf's fixup_verifier_log, 1.7; its texts)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from bpfvm.errors import Rejected
from bpfvm.obj.model import Program

_REACHED = re.compile(r"^(\d+): \(85\) call unknown#(\d+)[^\n]*\ninvalid func unknown#\2$", re.MULTILINE)
"""how the kernel complains of an impossible call that the loader put in"""


@contextmanager
def poison_named(program: Program) -> Iterator[None]:
    """While this program is verified, a refusal for a poisoned instruction says which field or function is missing."""
    try:
        yield
    except Rejected as error:
        found = _REACHED.search(error.log)
        why = _reason(program, int(found[1])) if found is not None else None
        if found is None or why is None:
            raise
        what, message = why
        error.log = f"{error.log[: found.start()]}{found[1]}: <{what}>\n{message}{error.log[found.end() :]}"
        error.message = message
        error.args = (message,)
        raise


def _reason(program: Program, slot: int) -> tuple[str, str] | None:
    if slot in program.poison:
        return "invalid CO-RE relocation", f"failed to resolve CO-RE relocation {program.poison[slot]}"
    if slot in program.unresolved:
        return "invalid kfunc call", f"kfunc '{program.unresolved[slot]}' is referenced but wasn't resolved"
    return None
