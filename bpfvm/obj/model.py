# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What an object file declares, and what the loader makes of it.

``ObjectSpec`` and its parts are pure: the same bytes give the same value on every machine. ``Program`` is a program
after linking and relocation against one kernel; ``VerifiedProgram`` is a Program that the verifier accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bpfvm.btf import Btf
from bpfvm.isa.insn import Insn


@dataclass(frozen=True, slots=True)
class FuncInfo:
    """Where a function starts (slot index in its program) and the id of its FUNC in the program's BTF."""

    insn: int
    type_id: int


@dataclass(frozen=True, slots=True)
class LineInfo:
    """The source line that instruction ``insn`` (slot index) begins."""

    insn: int
    file: str
    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class CoreRelo:
    """One record of .BTF.ext's CO-RE table: ``access`` is the "0:1:2" string, ``kind`` an enum bpf_core_relo_kind."""

    insn: int
    type_id: int
    access: str
    kind: int


@dataclass(frozen=True, slots=True)
class MapSpec:
    """A map as declared: sizes in bytes, ``map_type`` by kernel name (see isa.map_types)."""

    name: str
    map_type: str
    key_size: int = 0
    value_size: int = 0
    max_entries: int = 0
    map_flags: int = 0
    map_extra: int = 0
    btf: Btf | None = None
    key_type_id: int = 0
    value_type_id: int = 0
    initial: bytes | None = None
    """initial contents of a data section's map (.data, .rodata, .bss), or of the beginning of an arena; None for
    ordinary maps"""
    frozen: bool = False
    """read-only for user space once loaded (.rodata), so the verifier may use its contents as constants"""
    inner: MapSpec | None = None
    pinning: int = 0
    section: str = ""
    slots: Mapping[int, str] = field(default_factory=dict)
    """initial entries of a map-in-map or prog_array: index → name of the inner map or program"""


@dataclass(frozen=True, slots=True)
class Reloc:
    """One ELF relocation of an instruction: ``insn`` is the slot index inside the program or subprogram."""

    insn: int
    kind: str
    """"map" | "data" | "call" | "kfunc" | "ksym_var" | "func" """
    symbol: str
    section: str = ""
    addend: int = 0


@dataclass(frozen=True, slots=True)
class ProgramSpec:
    """One function that can be loaded (or called: ``is_subprog``), before linking."""

    name: str
    section: str
    prog_type: str
    insns: tuple[Insn, ...]
    relocs: tuple[Reloc, ...] = ()
    core_relos: tuple[CoreRelo, ...] = ()
    line_info: tuple[LineInfo, ...] = ()
    func_type_id: int = 0
    section_offset: int = 0
    attach_to: str = ""
    expected_attach_type: int = 0
    sleepable: bool = False
    autoload: bool = True
    is_subprog: bool = False
    prog_flags: int = 0
    """BPF_F_XDP_HAS_FRAGS when the section name asks for it"""


@dataclass(frozen=True, slots=True)
class StructOpsSpec:
    """One variable of a .struct_ops* section: an instance of a struct_ops type, as user space sees it."""

    name: str
    section: str
    type_name: str
    """name of the struct in the object's BTF, flavour suffix included"""
    type_id: int
    initial: bytes
    funcs: Mapping[str, str]
    """member name → program name"""
    link: bool
    autocreate: bool = True


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """Everything one object file declares."""

    name: str
    path: str
    license: str
    btf: Btf | None
    programs: Mapping[str, ProgramSpec]
    subprogs: Mapping[str, ProgramSpec]
    maps: Mapping[str, MapSpec]
    struct_ops: Mapping[str, StructOpsSpec]
    ksyms: Mapping[str, str] = field(default_factory=dict)
    """extern name → "func" | "var" | "weak_func" | "weak_var" """
    kconfig: tuple[str, ...] = ()
    kernel_version: int = 0
    """contents of the ``version`` section, 0 without one"""
    kconfig_unset: tuple[str, ...] = ()
    """strong .kconfig externs without a value: programs that use them can't be linked"""
    big_endian: bool = False
    """compiled for a big-endian machine: everything is listed, nothing can be linked or run"""


@dataclass(frozen=True, slots=True)
class Program:
    """A linked, relocated program: what the kernel would get from BPF_PROG_LOAD.

    ``insns`` are slots. In an ld_imm64 with src BPF_PSEUDO_MAP_FD or _MAP_VALUE, imm is an index into ``maps``.
    """

    name: str
    prog_type: str
    insns: tuple[Insn, ...]
    license: str = "GPL"
    maps: tuple[MapSpec, ...] = ()
    attach_btf_id: int = 0
    expected_attach_type: int = 0
    sleepable: bool = False
    xdp_has_frags: bool = False
    btf: Btf | None = None
    func_info: tuple[FuncInfo, ...] = ()
    line_info: tuple[LineInfo, ...] = ()
    poison: Mapping[int, str] = field(default_factory=dict)
    """slot index → what a failed CO-RE relocation asked for"""
    unresolved: Mapping[int, str] = field(default_factory=dict)
    """slot index → name of a weak extern that was not found"""
    target: TargetProgram | None = None
    """the program of which this one (of type ext) replaces a function; attach_btf_id is one of its types then"""


@dataclass(frozen=True, slots=True)
class TargetProgram:
    """An accepted program of which a function is replaced, and what was found out about its functions, which are
    numbered as in its func_info (see verifier.program.replaced)."""

    program: Program
    unreliable: frozenset[int] = frozenset()
    """what they get isn't held against their types"""
    changes_packet: frozenset[int] = frozenset()
    might_sleep: frozenset[int] = frozenset()
    exception_callbacks: frozenset[int] = frozenset()
    removed: frozenset[int] = frozenset()
    """nothing calls them: they went with the dead code"""


@dataclass(frozen=True, slots=True)
class VerifiedProgram:
    """A Program the verifier accepted, with what an engine must know about it."""

    program: Program
    insns: tuple[Insn, ...]
    subprog_starts: tuple[int, ...] = (0,)
    stack_depths: tuple[int, ...] = (0,)
    probe_mem: frozenset[int] = frozenset()
    """slots of loads through BTF pointers: a bad address reads 0 instead of faulting"""
    ctx_access: frozenset[int] = frozenset()
    """slots of loads and stores through the context pointer"""
    max_ctx_offset: int = 0
    """bytes of context, from its start, that the program may look at"""
    log: str = ""
    stats: Mapping[str, int] = field(default_factory=dict)
    func_names: tuple[str, ...] = ()
    exception_cb: int = 0
    """slot of the function that gets what bpf_throw throws; 0 without one"""
    longest_run: int = 0
    """most instructions that one run can take; 0 when that isn't known"""
    arena_mem: frozenset[int] = frozenset()
    """slots of accesses through pointers into the arena"""
    arena_alu: frozenset[int] = frozenset()
    """slots of 64-bit arithmetic on such pointers, of which only 32 bits count"""
