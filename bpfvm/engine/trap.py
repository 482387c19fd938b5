# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How a running program stops when it can't go on: `errors.Trap`, with the place and its source line."""

from __future__ import annotations

from bpfvm.errors import BpfvmError, Trap
from bpfvm.typed import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bpfvm.engine.image import Image

SOUNDNESS: Final = "the verifier accepted this program, so this is a soundness bug in bpfvm: please report it"


class Fault(BpfvmError):
    """Why an instruction can't be carried out; the interpreter adds the place and raises a Trap."""

    exit_code = 4


class Unsupported(Fault):
    """As Fault, but also possible in a verified program: a limit of this run, or something it was not given."""


def trap_at(image: Image, slot: int, why: BpfvmError) -> Trap:
    """The Trap for `why` at `slot` of `image`; says so when that must not happen because the image was verified."""
    from bpfvm.isa.disasm import disasm, pseudo_imm64  # here, because a run without a trap does without it

    reason = str(why)
    if image.verified and not isinstance(why, Unsupported):
        reason = f"{reason} ({SOUNDNESS})"
    inside = 0 <= slot < len(image.source)
    text = disasm(image.source, slot, imm64=pseudo_imm64) if inside else ""
    return Trap(reason, prog=image.name, insn=slot, text=text, line=image.line_of(slot))
