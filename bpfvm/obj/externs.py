# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What an object expects from outside: kernel functions and variables (.ksyms), configuration values (.kconfig).

Source: libbpf's bpf_object__collect_externs and bpf_object__resolve_externs, 1.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.layout import align_of
from bpfvm.elf import ElfObject
from bpfvm.elf.model import STB_WEAK
from bpfvm.errors import BadInput, UsageError

KCONFIG, KSYMS = ".kconfig", ".ksyms"
KERNEL_VERSION = 6 << 16 | 18 << 8
"""LINUX_KERNEL_VERSION of the emulated kernel: 6.18.0"""
_TRISTATE = {"n": 0, "y": 1, "m": 2}
KconfigValue = int | str | bool


@dataclass(frozen=True, slots=True)
class KconfigVar:
    """One .kconfig variable: ``kind`` is bool, tristate, char, int or string; offset and size in the .kconfig map."""

    name: str
    kind: str
    offset: int
    size: int
    signed: bool
    weak: bool


@dataclass(frozen=True, slots=True)
class Externs:
    """All externs. ``ksyms``: name → "func", "var", "weak_func" or "weak_var"."""

    ksyms: Mapping[str, str] = field(default_factory=dict)
    kconfig: Mapping[str, KconfigVar] = field(default_factory=dict)

    @property
    def kconfig_size(self) -> int:
        return max((var.offset + var.size for var in self.kconfig.values()), default=0)


def find_externs(btf: Btf | None, elf: ElfObject) -> Externs:
    """Type and place all undefined symbols. Raises BadInput for one without BTF or with an unsupported type."""
    symbols = [s for s in elf.symbols if s.is_extern and s.name]
    if not symbols:
        return Externs()
    if btf is None:
        raise BadInput(f"failed to find BTF for extern '{symbols[0].name}'", section=".BTF", hint="compile with -g")
    homes = _homes(btf)
    ksyms: dict[str, str] = {}
    config: list[tuple[int, KconfigVar]] = []
    for symbol in symbols:
        weak = symbol.bind == STB_WEAK
        if symbol.name not in homes:
            raise BadInput(f"failed to find BTF for extern '{symbol.name}'", section=".BTF")
        home, type_id = homes[symbol.name]
        found = btf.type(type_id)
        if home == KSYMS:
            ksyms[symbol.name] = ("weak_" if weak else "") + ("func" if isinstance(found, t.Func) else "var")
        elif home == KCONFIG:
            config.append(_kconfig_var(btf, symbol.name, found, weak))
        else:
            raise BadInput(f"unrecognized extern section '{home}'", section=".BTF")
    return Externs(ksyms, _place(config))


def _homes(btf: Btf) -> dict[str, tuple[str, int]]:
    """Extern name → DATASEC name and id of its VAR or FUNC."""
    homes: dict[str, tuple[str, int]] = {}
    for type_id in btf.ids():
        if btf.kind_of(type_id) != t.Datasec.kind:
            continue
        datasec = btf.type(type_id)
        assert isinstance(datasec, t.Datasec)
        for entry in datasec.vars:
            found = btf.type(entry.type)
            if isinstance(found, (t.Var, t.Func)) and found.linkage == 2:
                homes[found.name] = (datasec.name, entry.type)
    return homes


def _kconfig_var(btf: Btf, name: str, found: t.BtfType, weak: bool) -> tuple[int, KconfigVar]:
    """The alignment and the variable, not yet placed."""
    if not isinstance(found, t.Var):
        raise BadInput(f"extern function {name} is unsupported under {KCONFIG} section", section=KCONFIG)
    kind, signed = _kconfig_kind(btf, found.type)
    if not kind:
        raise BadInput(f"extern (kcfg) '{name}': type is unsupported", section=KCONFIG)
    return align_of(btf, found.type), KconfigVar(name, kind, 0, btf.size_of(found.type), signed, weak)


def _kconfig_kind(btf: Btf, type_id: int) -> tuple[str, bool]:
    found = btf.resolve(type_id)
    if isinstance(found, t.Int):
        if found.encoding & 4:
            return ("bool", False) if found.size == 1 else ("", False)
        if found.size == 1:
            return "char", found.signed
        return ("int", found.signed) if found.size in (2, 4, 8) else ("", False)
    if isinstance(found, t.Enum):
        return (
            ("tristate", False) if found.name == "libbpf_tristate" and (found.is64 or found.size == 4) else ("", False)
        )
    if isinstance(found, t.Array) and found.nelems and isinstance(btf.resolve(found.type), t.Int):
        return ("string", False) if _kconfig_kind(btf, found.type)[0] == "char" else ("", False)
    return "", False


def _place(config: list[tuple[int, KconfigVar]]) -> dict[str, KconfigVar]:
    """Offsets as libbpf gives them: by descending alignment, then size, then name."""
    placed: dict[str, KconfigVar] = {}
    end = 0
    for align, var in sorted(config, key=lambda each: (-each[0], each[1].size, each[1].name)):
        offset = (end + align - 1) & -align
        end = offset + var.size
        placed[var.name] = KconfigVar(var.name, var.kind, offset, var.size, var.signed, var.weak)
    return placed


def kconfig_bytes(externs: Externs, values: Mapping[str, KconfigValue], kernel_version: int) -> tuple[bytes, list[str]]:
    """Contents of the .kconfig map and the names of strong externs that got no value."""
    known: dict[str, KconfigValue] = {
        "LINUX_KERNEL_VERSION": kernel_version,
        "LINUX_HAS_BPF_COOKIE": 1,
        "LINUX_HAS_SYSCALL_WRAPPER": 1,
        **values,
    }
    data = bytearray(externs.kconfig_size)
    unset = []
    for name, var in externs.kconfig.items():
        if name in known:
            data[var.offset : var.offset + var.size] = _encode(var, known[name])
        elif not var.weak:
            unset.append(name)
    return bytes(data), unset


def _encode(var: KconfigVar, value: KconfigValue) -> bytes:
    if var.kind == "string":
        text = str(value).encode()[: var.size - 1]
        return text.ljust(var.size, b"\0")
    if isinstance(value, str):
        value = _from_text(var, value)
    if var.kind == "bool" and value not in (0, 1):
        raise UsageError(f"extern (kcfg) '{var.name}': {value} is not a bool")
    try:
        return int(value).to_bytes(var.size, "little", signed=var.signed)
    except OverflowError as error:
        raise UsageError(f"extern (kcfg) '{var.name}': value '{value}' doesn't fit in {var.size} bytes") from error


def _from_text(var: KconfigVar, text: str) -> int:
    if var.kind in ("bool", "tristate", "char") and text in _TRISTATE:
        if var.kind == "bool" and text == "m":
            raise UsageError(f"extern (kcfg) '{var.name}': value 'm' implies tristate or char type")
        return ord(text) if var.kind == "char" else _TRISTATE[text]
    try:
        return int(text, 0)
    except ValueError as error:
        raise UsageError(f"extern (kcfg) '{var.name}': value '{text}' isn't a valid integer") from error
