# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Linking: one program of an object with the subprograms it calls, relocated against one kernel.

The order of subprograms and the relocated forms are libbpf's (bpf_object__reloc_code, bpf_object__relocate_data, 1.7),
except that map loads hold an index into ``Program.maps`` instead of a file descriptor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from bpfvm.btf import Btf
from bpfvm.core_reloc import CoreResult, explain, relocate
from bpfvm.core_reloc.relocate import Narrowed
from bpfvm.errors import BadInput, UsageError
from bpfvm.isa.insn import Insn
from bpfvm.isa.opcodes import (
    BPF_PSEUDO_BTF_ID,
    BPF_PSEUDO_FUNC,
    BPF_PSEUDO_KFUNC_CALL,
    BPF_PSEUDO_MAP_FD,
    BPF_PSEUDO_MAP_VALUE,
)
from bpfvm.isa.word import s32
from bpfvm.obj.externs import KCONFIG
from bpfvm.obj.ksyms import CALL, POISON_CALL_KFUNC, attach_id, is_typeless, replaced_id, resolve_ksym
from bpfvm.obj.model import FuncInfo, LineInfo, MapSpec, ObjectSpec, Program, ProgramSpec, Reloc, TargetProgram
from bpfvm.obj.sec_defs import BPF_F_XDP_HAS_FRAGS

MAX_INSNS = 1_000_000
EXCEPTION_CALLBACK = "exception_callback:"


def link_program(
    spec: ObjectSpec,
    prog_name: str,
    kernel_btf: Btf,
    *,
    attach_btf_id: int = 0,
    expected_attach_type: int | None = None,
    maps: dict[str, MapSpec] | None = None,
    core_btf: Btf | None = None,
    kallsyms: Mapping[str, int] | None = None,
    target: TargetProgram | None = None,
) -> Program:
    """Link and relocate ``prog_name`` against a kernel.

    ``attach_btf_id`` and ``expected_attach_type`` override what the section name says (struct_ops: the kernel struct's
    BTF id and the member index); ``maps`` replaces map specs by key; ``kallsyms`` has addresses for externs without
    a type; ``target`` is the program of which an extension replaces the function that its section names.
    Raises UsageError for an unknown program, BadInput for what can't be resolved. A CO-RE relocation that fails does
    not raise: see ``Program.poison``.
    """
    if prog_name not in spec.programs:
        known = ", ".join(spec.programs) or "none"
        raise UsageError(f"no program '{prog_name}' in {spec.path} (it has: {known})")
    main = spec.programs[prog_name]
    check_runnable(spec)
    if main.prog_type == "unspec":
        text = f"prog '{main.name}': missing BPF prog type, check ELF section name '{main.section}'"
        raise BadInput(text, path=spec.path, section=main.section)
    try:
        linker = _Linker(spec, kernel_btf, maps or {}, core_btf)
        linker.kallsyms = kallsyms or {}
        linker.add_all(main)
        linker.relocate()
        attach = attach_btf_id or (attach_id(main, kernel_btf) if target is None else replaced_id(main, target))
    except BadInput as error:
        error.path = error.path or spec.path
        raise
    linked = linker.program(
        main, attach, main.expected_attach_type if expected_attach_type is None else expected_attach_type
    )
    return linked if target is None else replace(linked, target=target)


def check_runnable(spec: ObjectSpec) -> None:
    """Raises BadInput for an object of the other byte order, which can be looked at but not run."""
    if spec.big_endian:
        hint = "compile it with -target bpfel"
        raise BadInput("big-endian BPF object; only little-endian ones can be run", path=spec.path, hint=hint)


class _Linker:
    """One program while it is put together; slots count from the start of the main program."""

    def __init__(
        self,
        spec: ObjectSpec,
        kernel: Btf,
        maps: dict[str, MapSpec],
        core_btf: Btf | None = None,
        *,
        keep_going: bool = False,
    ) -> None:
        self.spec = spec
        self.relocate_one = explain if keep_going else relocate
        self.kernel = kernel
        self.core_btf = core_btf or kernel
        self.narrowed: Narrowed = {}
        self.replaced = maps
        self.insns: list[Insn] = []
        self.relocs: list[tuple[int, Reloc]] = []
        self.func_info: list[FuncInfo] = []
        self.line_info: list[LineInfo] = []
        self.core: list[CoreResult] = []
        self.poison: dict[int, str] = {}
        self.unresolved: dict[int, str] = {}
        self.kallsyms: Mapping[str, int] = {}
        self.starts: dict[str, int] = {}
        self.maps: dict[str, int] = {}

    def add_all(self, main: ProgramSpec) -> None:
        """The main program, then each subprogram when it is first called, its own callees before the caller goes on."""
        self._add(main, main)
        pending = [self._calls(main)]
        for callback in self._exception_callbacks(main):
            pending.insert(0, iter((callback,)))
        while pending:
            name = next(pending[-1], None)
            if name is None:
                pending.pop()
            elif name not in self.starts:
                sub = self.spec.subprogs[name]
                self.starts[name] = len(self.insns)
                self._add(sub, main)
                pending.append(self._calls(sub))

    def _calls(self, prog: ProgramSpec) -> Iterator[str]:
        return (reloc.symbol for reloc in prog.relocs if reloc.kind in ("call", "func"))

    def _exception_callbacks(self, main: ProgramSpec) -> list[str]:
        """Subprograms that a decl tag ``exception_callback:NAME`` adds without a call."""
        if self.spec.btf is None or not main.func_type_id:
            return []
        tags = (text for component, text in self.spec.btf.tags(main.func_type_id) if component == -1)
        names = [text.removeprefix(EXCEPTION_CALLBACK) for text in tags if text.startswith(EXCEPTION_CALLBACK)]
        for name in names:
            if name not in self.spec.subprogs:
                raise BadInput(f"prog '{main.name}': exception callback '{name}' not found", section=main.section)
        return names

    def _add(self, prog: ProgramSpec, main: ProgramSpec) -> None:
        base = len(self.insns)
        if base + len(prog.insns) > MAX_INSNS:
            raise BadInput(f"prog '{main.name}': more than {MAX_INSNS} instructions", section=main.section)
        insns = list(prog.insns)
        self._relocate_core(prog, insns, base)
        self.insns += insns
        self.relocs += [(base + reloc.insn, reloc) for reloc in prog.relocs]
        self._add_info(prog, main, base)

    def _relocate_core(self, prog: ProgramSpec, insns: list[Insn], base: int) -> None:
        for number, relo in enumerate(prog.core_relos):
            assert self.spec.btf is not None  # CO-RE records are only read with BTF
            who = f"prog '{prog.name}': relo #{number}"
            asked = (relo.insn, relo.kind, relo.type_id, relo.access)
            result = self.relocate_one(who, insns, *asked, self.spec.btf, self.core_btf, self.narrowed)
            self.core.append(result.moved(base))
            if result.poisoned:
                self.poison[base + relo.insn] = result.local

    def _add_info(self, prog: ProgramSpec, main: ProgramSpec, base: int) -> None:
        """func_info and line_info go on only if the main program has them; then each subprogram must."""
        if main.func_type_id:
            if not prog.func_type_id:
                raise BadInput(f"prog '{prog.name}': missing .BTF.ext function info.", section=prog.section)
            self.func_info.append(FuncInfo(base, prog.func_type_id))
        if main.line_info:
            if not prog.line_info:
                raise BadInput(f"prog '{prog.name}': missing .BTF.ext line info.", section=prog.section)
            self.line_info += [line if not base else _shifted(line, base) for line in prog.line_info]

    def relocate(self) -> None:
        """Patch all calls and loads, now that every function has its place."""
        for slot, reloc in self.relocs:
            insn = self.insns[slot]
            if reloc.kind == "call":
                self.insns[slot] = insn._replace(imm=self.starts[reloc.symbol] - slot - 1)
            elif reloc.kind == "func":
                self._load(slot, BPF_PSEUDO_FUNC, self.starts[reloc.symbol] - slot - 1, 0)
            elif reloc.kind == "map":
                self._load(slot, BPF_PSEUDO_MAP_FD, self._map(reloc.symbol), 0)
            elif reloc.kind == "data":
                self._data(slot, reloc)
            elif reloc.kind == "kfunc":
                self._kfunc(slot, reloc.symbol)
            else:
                self._ksym(slot, reloc.symbol)

    def _load(self, slot: int, src: int, low: int, high: int) -> None:
        self.insns[slot] = self.insns[slot]._replace(src=src, imm=s32(low))
        self.insns[slot + 1] = self.insns[slot + 1]._replace(imm=s32(high))

    def _map(self, key: str) -> int:
        return self.maps.setdefault(key, len(self.maps))

    def _data(self, slot: int, reloc: Reloc) -> None:
        if reloc.symbol in self.spec.kconfig_unset and self.spec.maps[reloc.section].section == KCONFIG:
            hint = "give it a value with kconfig="
            raise BadInput(f"extern '{reloc.symbol}' (strong): not resolved", section=KCONFIG, hint=hint)
        self._load(slot, BPF_PSEUDO_MAP_VALUE, self._map(reloc.section), reloc.addend)

    def _kfunc(self, slot: int, name: str) -> None:
        found = resolve_ksym(self.spec, self.kernel, name)
        if found:
            self.insns[slot] = self.insns[slot]._replace(src=BPF_PSEUDO_KFUNC_CALL, off=0, imm=found)
            return
        self.unresolved[slot] = name
        # libbpf numbers externs by sort, .kconfig first, then by name
        number = len(self.spec.kconfig) + sorted(self.spec.ksyms).index(name)
        self.insns[slot] = Insn(CALL, imm=POISON_CALL_KFUNC + number)

    def _ksym(self, slot: int, name: str) -> None:
        address = self.kallsyms.get(name, 0) if is_typeless(self.spec, name) else 0
        if address:
            self._load(slot, 0, address, address >> 32)
            return
        found = resolve_ksym(self.spec, self.kernel, name)
        if not found:
            self.unresolved[slot] = name
        self._load(slot, BPF_PSEUDO_BTF_ID if found else 0, found, 0)

    def program(self, main: ProgramSpec, attach_btf_id: int, expected_attach_type: int) -> Program:
        """The finished value."""
        return Program(
            name=main.name,
            prog_type=main.prog_type,
            insns=tuple(self.insns),
            license=self.spec.license,
            maps=tuple(self.replaced.get(key, self.spec.maps[key]) for key in self.maps),
            attach_btf_id=attach_btf_id,
            expected_attach_type=expected_attach_type,
            sleepable=main.sleepable,
            xdp_has_frags=bool(main.prog_flags & BPF_F_XDP_HAS_FRAGS),
            btf=self.spec.btf,
            func_info=tuple(self.func_info),
            line_info=tuple(self.line_info),
            poison=self.poison,
            unresolved=self.unresolved,
        )


def _shifted(line: LineInfo, base: int) -> LineInfo:
    return LineInfo(line.insn + base, line.file, line.text, line.line, line.column)


def explain_core(spec: ObjectSpec, prog_name: str, kernel_btf: Btf, *, keep_going: bool = False) -> list[CoreResult]:
    """What each CO-RE relocation of a program (subprograms included) asked for and got, in program order.

    One that fails (ambiguous, malformed) raises BadInput, or with ``keep_going`` is a result with the verdict "failed".
    """
    if prog_name not in spec.programs:
        known = ", ".join(spec.programs) or "none"
        raise UsageError(f"no program '{prog_name}' in {spec.path} (it has: {known})")
    linker = _Linker(spec, kernel_btf, {}, keep_going=keep_going)
    linker.add_all(spec.programs[prog_name])
    return linker.core
