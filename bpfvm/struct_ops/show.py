# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What ``bpftool struct_ops`` prints (tools/bpf/bpftool/struct_ops.c, 6.12)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bpfvm.errors import BpfvmError, SyscallError
from bpfvm.struct_ops.attach import BpfLink, BpfMap
from bpfvm.struct_ops.constants import BPF_MAP_TYPE_STRUCT_OPS
from bpfvm.struct_ops.dump_value import ValueDumper
from bpfvm.struct_ops.json_writer import JsonWriter
from bpfvm.struct_ops.kernel import Kernel
from bpfvm.struct_ops.map import StructOpsMap
from bpfvm.struct_ops.syscall import Syscalls


@dataclass(frozen=True, slots=True)
class Output:
    """What a command printed: lines for standard output, for standard error, and whether it failed."""

    out: str = ""
    err: str = ""
    failed: bool = False


def select(kernel: Kernel, *, map_id: int | None = None, name: str | None = None) -> list[StructOpsMap]:
    """The maps a command works on, by ascending id. Raises SyscallError ENOENT for an id that doesn't exist."""
    if map_id is not None:
        return [kernel.maps.by_id(map_id)]
    return [each for each in kernel.maps if name is None or each.name == name]


def _selected(kernel: Kernel, map_id: int | None, name: str | None) -> list[StructOpsMap] | Output:
    try:
        return select(kernel, map_id=map_id, name=name)
    except SyscallError as error:
        return Output(err=_error(f"can't get map by id ({map_id}): {os.strerror(error.errno)}"), failed=True)


def list_maps(
    kernel: Kernel, *, map_id: int | None = None, name: str | None = None, as_json: bool = False, pretty: bool = False
) -> Output:
    """``bpftool struct_ops list``: a line per map, or with ``as_json`` an array of objects."""
    maps = _selected(kernel, map_id, name)
    if isinstance(maps, Output):
        return maps
    if not as_json:
        if name is not None and not maps:
            return Output(err=_error(f"no struct_ops found for {name}"), failed=True)
        return Output("".join(f"{each.id}: {each.name:<15} {each.type.name:<32}\n" for each in maps))
    out = JsonWriter(pretty=pretty)
    if map_id is None:
        out.start_array()
    for each in maps:
        out.start_object()
        for key, value in (("id", each.id), ("name", each.name), ("kernel_struct_ops", each.type.name)):
            out.name(key)
            out.value(value)
        out.end_object()
    if map_id is None:
        out.end_array()
    return Output(out.text() + "\n", failed=name is not None and not maps)


def map_info(st_map: StructOpsMap) -> dict[str, int | str]:
    """struct bpf_map_info (6.18) as BPF_OBJ_GET_INFO_BY_FD fills it for a struct_ops map, in the kernel's member
    order."""
    return {
        "type": BPF_MAP_TYPE_STRUCT_OPS,
        "id": st_map.id,
        "key_size": 4,
        "value_size": st_map.type.value_size,
        "max_entries": 1,
        "map_flags": st_map.flags,
        "name": st_map.name,
        "ifindex": 0,
        "btf_vmlinux_value_type_id": st_map.type.value_id,
        "netns_dev": 0,
        "netns_ino": 0,
        "btf_id": 0,
        "btf_key_type_id": 0,
        "btf_value_type_id": 0,
        "btf_vmlinux_id": 0,
        "map_extra": 0,
        "hash": 0,
        "hash_size": 0,
    }


def dump_maps(
    kernel: Kernel, *, map_id: int | None = None, name: str | None = None, as_json: bool = False, pretty: bool = False
) -> Output:
    """``bpftool struct_ops dump``: per map an object bpf_map_info and one named after the value type."""
    maps = _selected(kernel, map_id, name)
    if isinstance(maps, Output):
        return maps
    out = JsonWriter(pretty=pretty or not as_json)
    if map_id is None:
        out.start_array()
    for each in maps:
        _dump_one(kernel, each, out, plain=not as_json)
    if map_id is None:
        out.end_array()
    return Output(out.text() + "\n", failed=name is not None and not maps)


def _dump_one(kernel: Kernel, st_map: StructOpsMap, out: JsonWriter, *, plain: bool) -> None:
    out.start_object()
    out.name("bpf_map_info")
    out.start_object()
    for key, value in map_info(st_map).items():
        out.name(key)
        out.value(value)
    out.end_object()
    out.end_object()
    out.start_object()
    out.name(st_map.type.value_struct.name)
    dumper = ValueDumper(st_map.type.btf, out, plain=plain, prog_name=lambda prog_id: _prog_name(kernel, prog_id))
    dumper.dump(st_map.type.value_id, st_map.lookup_elem(0))
    out.end_object()


def _prog_name(kernel: Kernel, prog_id: int) -> str | None:
    try:
        return kernel.progs.by_id(prog_id).full_name
    except SyscallError:
        return None


def register_maps(maps: Sequence[BpfMap], *, path: str = "", link_dir: str | None = None) -> Output:
    """``bpftool struct_ops register OBJ [LINK_DIR]``: attach every map of a loaded object, pin the links, and exit.

    Without ``link_dir`` nobody holds the link of a BPF_F_LINK map any longer: it dies with bpftool, that is before
    this returns.
    """
    if not maps:
        return Output(err=_error(f"no struct_ops found in {path}"), failed=True)
    lines: list[str] = []
    links: list[BpfLink] = []
    failed = False
    for each in maps:
        try:
            link = each.attach()
            links.append(link)
            lines.append(_registered(each, link, link_dir))
        except _CantPin as problem:
            failed = True
            lines.append(_error(str(problem)))
        except SyscallError as error:
            failed = True
            lines.append(_error(f"can't register struct_ops {each.name}: {os.strerror(error.errno)}"))
    for link in links:
        if link.is_link:
            link.destroy()
    return Output(err="".join(lines), failed=failed)


class _CantPin(BpfvmError):
    """A link was made but could not be pinned; the message is bpftool's."""


def _registered(each: BpfMap, link: BpfLink, link_dir: str | None) -> str:
    """Pin a new link if asked to; the line about it. Raises _CantPin."""
    st_map = each.kernel_map
    what = f"Registered {st_map.type.name} {st_map.name}"
    if not link.is_link:
        return f"{what} id {st_map.id}\n"
    link_id = each.sys.link(link.fd).id
    if link_dir is not None:
        try:
            link.pin(f"{link_dir.rstrip('/')}/{st_map.name}")
        except SyscallError as error:
            raise _CantPin(f"can't pin link {link_id} for {st_map.name}: {os.strerror(error.errno)}") from error
    return f"{what} map id {st_map.id} link id {link_id}\n"


def unregister_maps(kernel: Kernel, *, map_id: int | None = None, name: str | None = None) -> Output:
    """``bpftool struct_ops unregister``: delete the element of each map; a BPF_F_LINK map can't be."""
    maps = _selected(kernel, map_id, name)
    if isinstance(maps, Output):
        return maps
    if not maps:
        return Output(err=_error(f"no struct_ops found for {name}"), failed=True)
    return _unregister(Syscalls(kernel), maps)


def _unregister(syscalls: Syscalls, maps: Iterable[StructOpsMap]) -> Output:
    lines: list[str] = []
    failed = False
    for each in maps:
        what = f"{each.type.name} {each.name} id {each.id}"
        fd = syscalls.map_get_fd_by_id(each.id)
        try:
            syscalls.map_delete_elem(fd, 0)
            lines.append(f"Unregistered {what}\n")
        except SyscallError as error:
            failed = True
            lines.append(_error(f"can't unload {what}: {os.strerror(error.errno)}"))
        finally:
            syscalls.close(fd)
    return Output(err="".join(lines), failed=failed)


def wrong_map(name: str, map_id: int) -> str:
    """The complaint about an id that belongs to some other kind of map."""
    return _error(f"{name} id {map_id} is not a struct_ops map")


def _error(text: str) -> str:
    return f"Error: {text}\n"
