# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One CO-RE relocation from question to patched instruction, with an account (libbpf's bpf_core_calc_relo_insn)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.core_reloc import kinds
from bpfvm.core_reloc.match import candidates, match_spec
from bpfvm.core_reloc.patch import patch, poison
from bpfvm.core_reloc.spec import Spec, parse_spec
from bpfvm.core_reloc.value import Value, value_of
from bpfvm.errors import BadInput
from bpfvm.isa.insn import Insn

FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A type of the kernel that has the right name, and whether the access fits it."""

    type_id: int
    text: str
    """libbpf's form of the access in the candidate; of just the type when it doesn't fit"""
    matches: bool


@dataclass(frozen=True, slots=True)
class CoreResult:
    """What one relocation asked, who was asked, what came out. ``insn`` is the slot index in the linked program."""

    insn: int
    kind: str
    path: str
    """what was asked for, as in ``task_struct.comm``"""
    local: str
    """libbpf's form of the same"""
    candidates: tuple[Candidate, ...]
    verdict: str
    """"relocated", "unchanged", "poisoned"; "failed" for what stops the loading of a program"""
    reason: str
    old: int
    new: int | None
    before: Insn
    after: Insn

    @property
    def poisoned(self) -> bool:
        return self.verdict == "poisoned"

    def moved(self, base: int) -> CoreResult:
        """The same result for a function that was placed at slot ``base``."""
        return replace(self, insn=self.insn + base) if base else self


Narrowed = dict[int, list[int]]
"""Local root type → the kernel's types that still stand for it: those that fitted every access so far. One type of a
program can't be two of the kernel's, so what one relocation excludes stays excluded (bpf_core_calc_relo_insn)."""


def relocate(
    who: str,
    insns: list[Insn],
    slot: int,
    kind: int,
    type_id: int,
    access: str,
    local: Btf,
    kernel: Btf,
    narrowed: Narrowed | None = None,
    tried: list[Candidate] | None = None,
) -> CoreResult:
    """Patch ``insns[slot]`` in place. A field that the kernel lacks poisons it; ``who`` begins messages.

    ``narrowed`` is kept by the caller for all relocations of a program; ``tried`` collects the candidates, also of a
    relocation that fails. Raises BadInput for a malformed record, an ambiguous answer or an instruction that can't
    hold it.
    """
    if not 0 <= slot < len(insns):
        raise BadInput(f"{who}: insn #{slot} is outside of the program", section=".BTF.ext")
    try:
        spec = parse_spec(local, kind, type_id, access)
        tried = [] if tried is None else tried
        return _relocate(who, insns, slot, spec, kernel, {} if narrowed is None else narrowed, tried)
    except BadInput as error:
        if not error.message.startswith(who):
            error.message = f"{who}: {_asked(kind, type_id, access, local)}: {error.message}"
        raise


def explain(
    who: str,
    insns: list[Insn],
    slot: int,
    kind: int,
    type_id: int,
    access: str,
    local: Btf,
    kernel: Btf,
    narrowed: Narrowed | None = None,
) -> CoreResult:
    """As ``relocate``, but what that raises becomes a result with the verdict "failed"."""
    tried: list[Candidate] = []
    try:
        return relocate(who, insns, slot, kind, type_id, access, local, kernel, narrowed, tried)
    except BadInput as error:
        asked = _asked(kind, type_id, access, local)
        reason = error.message.removeprefix(f"{who}: ").removeprefix(f"{asked}: ")
        here = insns[slot] if 0 <= slot < len(insns) else Insn(0)
        path, text = _named(kind, type_id, access, local)
        return CoreResult(slot, kinds.kind_name(kind), path, text, tuple(tried), FAILED, reason, 0, None, here, here)


def _asked(kind: int, type_id: int, access: str, local: Btf) -> str:
    """The raw record, for what may be malformed."""
    named = local.name_of(type_id) if 0 <= type_id < len(local) else ""
    return f"{kinds.kind_name(kind)} [{type_id}] {named or '<anon>'} + {access}"


def _named(kind: int, type_id: int, access: str, local: Btf) -> tuple[str, str]:
    """Path and libbpf's form of what a record asks for, as far as it can be read."""
    try:
        spec = parse_spec(local, kind, type_id, access)
        return spec.path, str(spec)
    except BadInput:
        return f"[{type_id}] + {access}", _asked(kind, type_id, access, local)


def _relocate(
    who: str, insns: list[Insn], slot: int, spec: Spec, kernel: Btf, narrowed: Narrowed, tried: list[Candidate]
) -> CoreResult:
    before = insns[slot]
    old = value_of(spec, spec.kind)
    assert old is not None  # a spec always has a value
    new: Value | None = old
    found: Spec | None = spec
    if spec.kind != kinds.TYPE_ID_LOCAL:
        new, found = _resolve(spec, kernel, tried, narrowed)
    reason = ""
    if new is None:
        poison(insns, slot)
        reason = _missing(spec, tried)
    elif not patch(who, insns, slot, old, new, _may_resize(spec, old, found, new)):
        reason = f"the field is {new.memory_size} bytes in the kernel but {old.memory_size} here, and is not unsigned"
    after = insns[slot]
    verdict = "poisoned" if reason else "unchanged" if after == before else "relocated"
    number = None if new is None else new.number
    what = kinds.kind_name(spec.kind)
    return CoreResult(
        slot, what, spec.path, str(spec), tuple(tried), verdict, reason, old.number, number, before, after
    )


def _resolve(spec: Spec, kernel: Btf, tried: list[Candidate], narrowed: Narrowed) -> tuple[Value | None, Spec | None]:
    """The value that all matching candidates agree on, and the first of them; without any, the value for "missing"."""
    if not spec.btf.name_of(spec.root):
        raise BadInput(f"<{kinds.kind_name(spec.kind)}> ({spec.kind}) relocation doesn't support anonymous types")
    agreed: Value | None = None
    first: Spec | None = None
    if spec.root not in narrowed:
        narrowed[spec.root] = list(candidates(spec.btf, spec.root, kernel))
    for type_id in narrowed[spec.root]:
        found = match_spec(spec, kernel, type_id)
        plain = f"[{type_id}] {kernel.type(type_id).kind_name.lower()} {kernel.name_of(type_id)}"
        tried.append(Candidate(type_id, plain if found is None else str(found), found is not None))
        if found is None:
            continue
        value = value_of(found, spec.kind)
        assert value is not None  # a spec always has a value
        if first is None or agreed is None:
            agreed, first = value, found
        elif found.bit_offset != first.bit_offset:
            raise BadInput(f"field offset ambiguity: {found.bit_offset} != {first.bit_offset}")
        elif value.number != agreed.number:
            raise BadInput(f"relocation decision ambiguity: success {value.number} != success {agreed.number}")
    if first is None:
        return value_of(None, spec.kind), None
    narrowed[spec.root] = [each.type_id for each in tried if each.matches]
    return agreed, first


def _may_resize(local: Spec, old: Value, found: Spec | None, new: Value) -> bool:
    """A load may only change its width for pointers and unsigned integers, which zero-extension keeps right."""
    if old.memory_size == new.memory_size or found is None:
        return True
    ours, theirs = local.btf.type(old.memory_type), found.btf.type(new.memory_type)
    if isinstance(ours, t.Ptr) and isinstance(theirs, t.Ptr):
        return True
    return isinstance(ours, t.Int) and isinstance(theirs, t.Int) and ours.encoding != 1 and theirs.encoding != 1


def _missing(spec: Spec, tried: list[Candidate]) -> str:
    if not tried:
        return f"the kernel has no {spec.btf.type(spec.root).kind_name.lower()} {spec.btf.name_of(spec.root)}"
    return f"the kernel's {spec.btf.name_of(spec.root)} has no fitting {spec.path}"
