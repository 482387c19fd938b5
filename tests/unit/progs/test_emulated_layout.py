# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The emulated kernel's types against the running kernel's: same fields, same places, same sizes."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpfvm.btf import Btf
from bpfvm.btf import types as t

ROOT = Path(__file__).resolve().parents[3]
EMULATED = Btf.parse((ROOT / "thpmm/kernel/emulated.btf").read_bytes(), name="emulated.btf")
PATCH04 = Btf.parse((ROOT / "thpmm/kernel/emulated-patch04.btf").read_bytes(), name="emulated-patch04.btf")
RUNNING = Path("/sys/kernel/btf/vmlinux")

# What the v11 patch adds, which no released kernel has.
PATCH_TYPES = {"bpf_thp_ops", "bpf_mm_ops", "bpf_struct_ops_bpf_thp_ops", "thp_order_fn_t"}
PATCH_FIELDS = {("mm_struct", "bpf_mm"), ("mm_struct", "bpf_mm.bpf_thp"), ("mm_struct", "bpf_mm.bpf_thp_list")}
PATCH_FUNCS = {"bpf_thp_get_order"}


@pytest.fixture(scope="module")
def running() -> Btf:
    if not platform.release().startswith("6.18"):
        pytest.skip(f"the running kernel is {platform.release()}, not 6.18")
    if platform.machine() != "x86_64":
        pytest.skip(f"the emulated layouts are x86-64's, this is {platform.machine()}")
    try:
        return Btf.parse(RUNNING.read_bytes(), name="vmlinux")
    except OSError as error:
        pytest.skip(f"the running kernel's BTF cannot be read: {error}")


def fields(btf: Btf, struct_id: int, *, at: int = 0) -> Iterator[tuple[str, int, int]]:
    """(name, bit offset, size in bytes) of every named member; anonymous structs and unions are looked through."""
    struct = btf.type(struct_id)
    assert isinstance(struct, t.Struct)
    for member in struct.members:
        if not member.name:
            yield from fields(btf, btf.skip_mods(member.type), at=at + member.bit_offset)
        elif not member.bitfield_size:
            yield member.name, at + member.bit_offset, btf.size_of(member.type)


def shape(btf: Btf, type_id: int) -> str:
    """A type as comparable text: pointers and arrays spelled out, structs and enums by name, numbers by size."""
    body = btf.type(btf.skip_mods(type_id))
    if isinstance(body, t.Ptr):
        return f"{shape(btf, body.type)}*"
    if isinstance(body, t.Array):
        return f"{shape(btf, body.type)}[{body.nelems}]"
    if isinstance(body, t.Int):
        return f"int{body.size}"
    if isinstance(body, t.FuncProto):
        return f"{shape(btf, body.ret)}({', '.join(shape(btf, p.type) for p in body.params)})"
    return f"{body.kind_name.lower()} {btf.name_of(btf.skip_mods(type_id))}"


def named_structs() -> list[str]:
    found = []
    for type_id in EMULATED.ids():
        body = EMULATED.type(type_id)
        if isinstance(body, t.Struct) and body.name:
            found.append(body.name)
    return sorted(found)


@pytest.mark.parametrize("name", named_structs())
def test_struct_is_laid_out_like_the_running_kernels(name: str, running: Btf) -> None:
    if name in PATCH_TYPES:
        assert not running.find(name, t.Struct)
        return
    ours, theirs = EMULATED.find(name, t.Struct), running.find(name, t.Struct)
    assert EMULATED.size_of(ours) == running.size_of(theirs)
    real = {field: rest for field, *rest in fields(running, theirs)}
    for field, *rest in fields(EMULATED, ours):
        if (name, field) not in PATCH_FIELDS:
            assert real.get(field) == rest, f"{name}.{field}"


def members(btf: Btf, name: str) -> dict[str, str]:
    """Field -> shape, for one struct."""

    def walk(struct_id: int) -> Iterator[tuple[str, str]]:
        struct = btf.type(struct_id)
        assert isinstance(struct, t.Struct)
        for member in struct.members:
            if member.name:
                yield member.name, shape(btf, member.type)
            else:
                yield from walk(btf.skip_mods(member.type))

    return dict(walk(btf.find(name, t.Struct)))


@pytest.mark.parametrize("name", [n for n in named_structs() if n not in PATCH_TYPES])
def test_fields_have_the_running_kernels_types(name: str, running: Btf) -> None:
    real = members(running, name)
    for field, ours in members(EMULATED, name).items():
        if (name, field) not in PATCH_FIELDS:
            # pahole leaves a declaration where the compilation unit had no more
            assert real[field].replace("fwd ", "struct ") == ours, f"{name}.{field}"


@pytest.mark.parametrize("name", ["tva_type", "psi_states", "bpf_map_type", "bpf_struct_ops_state"])
def test_enum_values(name: str, running: Btf) -> None:
    ours, theirs = EMULATED.type(EMULATED.find(name, t.Enum)), running.type(running.find(name, t.Enum))
    assert isinstance(ours, t.Enum) and isinstance(theirs, t.Enum)
    assert dict(ours.values) == dict(theirs.values)


def functions() -> list[str]:
    return sorted(f.name for i in EMULATED.ids() if isinstance(f := EMULATED.type(i), t.Func))


@pytest.mark.parametrize("name", functions())
def test_function_prototypes(name: str, running: Btf) -> None:
    if name in PATCH_FUNCS:
        assert not running.find(name, t.Func)
        return
    ours, theirs = EMULATED.find(name, t.Func), running.find(name, t.Func)
    assert prototype(EMULATED, ours) == prototype(running, theirs)
    assert EMULATED.tags(ours) == running.tags(theirs)


def prototype(btf: Btf, func_id: int) -> tuple[str, list[tuple[str, str]]]:
    func = btf.type(func_id)
    assert isinstance(func, t.Func)
    proto = btf.type(func.type)
    assert isinstance(proto, t.FuncProto)
    return shape(btf, proto.ret), [(p.name, shape(btf, p.type)) for p in proto.params]


def test_holes_are_not_fields() -> None:
    for type_id in EMULATED.ids():
        body = EMULATED.type(type_id)
        if isinstance(body, t.Struct):
            assert not [m.name for m in body.members if m.name.startswith("__hole")]
    assert EMULATED.size_of(EMULATED.find("vm_operations_struct", t.Struct)) == 120
    assert not list(fields(EMULATED, EMULATED.find("vm_operations_struct", t.Struct)))


def test_the_patch_puts_bpf_mm_into_the_padding_of_mm_struct() -> None:
    places = {name: (bit >> 3, size) for name, bit, size in fields(EMULATED, EMULATED.find("mm_struct", t.Struct))}
    assert places["mm_id"] == (1440, 4)
    assert places["bpf_mm"] == (1448, 24)
    assert EMULATED.size_of(EMULATED.find("mm_struct", t.Struct)) == 1472


def test_no_type_is_only_declared() -> None:
    assert not [i for btf in (EMULATED, PATCH04) for i in btf.ids() if isinstance(btf.type(i), t.Fwd)]


def test_patch_04_adds_one_value_and_nothing_else() -> None:
    ours, patched = EMULATED.type(EMULATED.find("tva_type", t.Enum)), PATCH04.type(PATCH04.find("tva_type", t.Enum))
    assert isinstance(ours, t.Enum) and isinstance(patched, t.Enum)
    assert dict(patched.values) == dict(ours.values) | {"TVA_SWAP_PAGEFAULT": 4}
    assert len(PATCH04) == len(EMULATED)
