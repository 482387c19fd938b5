# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs of an object file, with their BTF and maps, given to the running kernel's verifier and to ours."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.isa.insn import encode
from bpfvm.obj.link import link_program
from bpfvm.obj.model import MapSpec, ObjectSpec, Program
from bpfvm.obj.open import open_object
from tests import kernel_oracle as ko
from tests.differential.verifier_oracle import Both, environment, kernel_btf
from verifier.verify import check

NO_BTF = frozenset(
    [
        "perf_event_array",
        "cgroup_array",
        "stack_trace",
        "array_of_maps",
        "hash_of_maps",
        "devmap",
        "devmap_hash",
        "sockmap",
        "sockhash",
        "cpumap",
        "xskmap",
        "queue",
        "stack",
        "prog_array",
        "ringbuf",
    ]
)
"""Map types that are made without BTF, as libbpf does."""
NAME = "oracle"


def loadable_btf(btf: Btf) -> bytes:
    """The BTF with its extern functions and variables declared as the kernel wants them: what libbpf's
    bpf_object__resolve_externs does to `.ksyms`."""
    data = bytearray(btf.data)
    _, _, _, header, type_off, type_len, str_off, str_len = struct.unpack_from("<HBBIIIII", data)
    section = btf.find(".ksyms", t.Datasec)
    number = next((i for i in btf.ids() if isinstance(found := btf.type(i), t.Int) and found.size == 4), 0)
    dummy = len(btf)
    name = str_len
    for type_id in btf.ids():
        found, at = btf.type(type_id), btf.record_offset(type_id)
        if isinstance(found, t.Func) and found.linkage == 2:
            info, proto_id = struct.unpack_from("<II", data, at + 4)
            struct.pack_into("<I", data, at + 4, info & ~0xFFFF | 1)
            proto_at = btf.record_offset(proto_id)
            for i in range(struct.unpack_from("<I", data, proto_at + 4)[0] & 0xFFFF):
                if not struct.unpack_from("<I", data, proto_at + 12 + 8 * i)[0]:
                    struct.pack_into("<I", data, proto_at + 12 + 8 * i, name)
    if section:
        found = btf.type(section)
        assert isinstance(found, t.Datasec)
        at = btf.record_offset(section)
        struct.pack_into("<I", data, at + 8, 4 * len(found.vars))
        for i, entry in enumerate(found.vars):
            is_func = isinstance(btf.type(entry.type), t.Func)
            struct.pack_into("<III", data, at + 12 + 12 * i, dummy if is_func else entry.type, 4 * i, 4)
            if not is_func:
                var_at = btf.record_offset(entry.type)
                struct.pack_into("<II", data, var_at + 8, number, 1)
    types = bytes(data[header + type_off : header + type_off + type_len])
    types += struct.pack("<IIII", name, 14 << 24, number, 1)
    strings = bytes(data[header + str_off : header + str_off + str_len]) + b"dummy_ksym\0"
    head = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return head + types + strings


def kernel_map(map_: MapSpec, btf_fd: int) -> ko.MapSpec:
    with_btf = map_.btf is not None and map_.value_type_id and map_.map_type not in NO_BTF
    ids = (btf_fd, map_.key_type_id, map_.value_type_id) if with_btf else (0, 0, 0)
    inner = kernel_map(map_.inner, btf_fd) if map_.inner is not None else None
    sizes = (map_.key_size, map_.value_size, map_.max_entries, map_.map_flags)
    return ko.MapSpec(map_.map_type, *sizes, inner, *ids, map_.map_extra)


@contextmanager
def loaded_btf(btf: Btf | None) -> Iterator[int]:
    """The BTF in the kernel; its descriptor (0 without BTF). Raises OSError."""
    if btf is None:
        yield 0
        return
    fd, errno, log = ko.btf_load(loadable_btf(btf), 1 << 20)
    if fd < 0:
        raise OSError(errno, f"BPF_BTF_LOAD: {log[-200:]}")
    try:
        yield fd
    finally:
        os.close(fd)


def linked(spec: ObjectSpec, name: str) -> Program:
    """A program of the object for the running kernel, without source lines, its maps named as the oracle names
    them."""
    program = link_program(spec, name, kernel_btf())
    maps = tuple(replace(m, name=NAME, frozen=False) for m in program.maps)
    return replace(program, maps=maps, line_info=())


def ask_kernel(
    program: Program, btf_fd: int, level: int = 2, *, flags: int = 0, maps: Sequence[int] | None = None
) -> ko.Verified:
    """The kernel's answer for one linked program. `maps`: their descriptors, if they exist already. Raises OSError for
    maps that the kernel doesn't make."""
    infos = b"".join(struct.pack("<II", info.insn, info.type_id) for info in program.func_info)
    return ko.verify(
        encode(program.insns),
        program.prog_type,
        flags=flags | (ko.F_SLEEPABLE if program.sleepable else 0),
        log_level=level,
        maps=[kernel_map(m, btf_fd) for m in program.maps] if maps is None else maps,
        func_info=infos,
        btf_fd=btf_fd,
        **attachment(program),
    )


def attachment(program: Program) -> dict[str, Any]:
    """What BPF_PROG_LOAD is told of the hook and the licence."""
    return {
        "expected_attach_type": program.expected_attach_type,
        "attach_btf_id": program.attach_btf_id,
        "license": program.license.encode(),
    }


def both_linked(program: Program, btf_fd: int, level: int = 2) -> Both:
    """The kernel's answer and ours for one linked program. Raises OSError for maps the kernel doesn't make."""
    kernel = ask_kernel(program, btf_fd, level)
    rejection, run = check(program, environment(), log_level=level)
    return Both(kernel.ok, kernel.errno, kernel.log, rejection, run.log.text())


def both_object(path: Path, name: str, level: int = 2) -> Both:
    """The same for a program of an object file."""
    spec = open_object(path)
    program = linked(spec, name)
    with loaded_btf(spec.btf) as fd:
        return both_linked(program, fd, level)
