# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The struct_ops map: one element, key 0, whose value is an instance of the type (bpf_struct_ops_map, 6.12 to 6.18)."""

from __future__ import annotations

from dataclasses import dataclass
from errno import E2BIG, EBUSY, EINPROGRESS, EINVAL, ENOENT, EOPNOTSUPP
from typing import TYPE_CHECKING

from bpfvm.errors import ENOTSUPP, BpfvmError, KernelOops, SyscallError, UsageError
from bpfvm.events import Event
from bpfvm.struct_ops.constants import (
    BPF_F_LINK,
    BPF_OBJ_NAME_LEN,
    STATE_INIT,
    STATE_INUSE,
    STATE_NAMES,
    STATE_READY,
    STATE_TOBEFREE,
)
from bpfvm.struct_ops.holes import check_zero_holes
from bpfvm.struct_ops.mutex import Mutex
from bpfvm.struct_ops.objects import FdTable, KernelObject
from bpfvm.struct_ops.populate import ModuleMemberSet, Undo, fill_members
from bpfvm.struct_ops.progs import LoadedProg

if TYPE_CHECKING:
    from bpfvm.struct_ops.kernel import Kernel
    from bpfvm.struct_ops.registry import RegisteredType

REFCNT, STATE = slice(0, 4), slice(4, 8)
STATE_OFFSET = 4
UPDATE_FUNCTION = "bpf_struct_ops_map_update_elem"


@dataclass(frozen=True, slots=True)
class MapState(Event):
    """A struct_ops map went from one state to another (numbers of enum bpf_struct_ops_state)."""

    map_id: int
    name: str
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class MapFreed(Event):
    """The last reference went and the grace periods are over: trampolines, programs and kdata are gone."""

    map_id: int
    name: str


@dataclass(frozen=True, slots=True)
class MapAttr:
    """What BPF_MAP_CREATE is given for a struct_ops map."""

    name: str
    btf_vmlinux_value_type_id: int
    value_size: int
    key_size: int = 4
    max_entries: int = 1
    map_flags: int = 0
    map_extra: int = 0
    btf_fd: int | None = None
    btf_key_type_id: int = 0
    btf_value_type_id: int = 0
    value_type_btf_obj_fd: int = 0


class StructOpsMap(KernelObject):
    """``value_addr`` is the kernel's value in emulated memory, ``kdata`` its struct; ``udata`` the copy user space
    sees.

    References: every file descriptor and pin counts in ``refcnt`` and ``usercnt``; a link, and the registration of a
    link-less map, count in ``refcnt`` alone.
    """

    kind = "map"

    def __init__(self, kernel: Kernel, attr: MapAttr, type_: RegisteredType) -> None:
        super().__init__()
        self.usercnt = 1
        self.kernel = kernel
        self.attr = attr
        self.name = attr.name[: BPF_OBJ_NAME_LEN - 1]
        self.type = type_
        self.flags = attr.map_flags
        self.value_addr = kernel.memory.alloc(type_.value_size, align=64, what=f"struct_ops map {self.name}")
        self.kdata = self.value_addr + type_.data_offset
        self.udata = bytes(type_.value_size)
        self.area = kernel.trampolines.area()
        self.progs: dict[int, LoadedProg] = {}
        self.lock = Mutex("st_map->lock", kernel)
        self.freed = False
        self.id = 0

    def __repr__(self) -> str:
        return f"<struct_ops map {self.id} {self.name} {STATE_NAMES[self.state]}>"

    @property
    def state(self) -> int:
        """INIT 0, INUSE 1, TOBEFREE 2, READY 3; lives in the value's common part."""
        return self.kernel.memory.load(self.value_addr + STATE_OFFSET, 4)

    def _set_state(self, new: int) -> None:
        old = self.state
        self.kernel.memory.store(self.value_addr + STATE_OFFSET, 4, new)
        if self.kernel.sink.active:
            self.kernel.sink.emit(MapState(self.id, self.name, old, new))

    @property
    def is_link_map(self) -> bool:
        """Created with BPF_F_LINK."""
        return bool(self.flags & BPF_F_LINK)

    @property
    def ready_to_link(self) -> bool:
        """bpf_struct_ops_valid_to_reg: populated, and meant for links."""
        return self.is_link_map and self.state == STATE_READY

    # references

    def fd_get(self) -> None:
        """One more file descriptor or pin."""
        self.refcnt += 1
        self.usercnt += 1

    def fd_put(self) -> None:
        """A file descriptor or pin less."""
        self.usercnt -= 1
        self.put()

    def release(self) -> None:
        """Last reference gone: the id at once, the rest after an RCU and an RCU-tasks grace period."""
        kernel = self.kernel
        kernel.maps.forget(self)
        if self.type.module is not None:
            self.type.module.put()
        kernel.trampolines.unpublish(self.area)
        kernel.pause_point("struct_ops_map_free")
        kernel.rcu.call(self._free)

    def _free(self) -> None:
        self.area.free()
        self._put_progs()
        self.kernel.memory.free(self.value_addr)
        self.freed = True
        if self.kernel.sink.active:
            self.kernel.sink.emit(MapFreed(self.id, self.name))

    def _put_progs(self) -> None:
        for prog in self.progs.values():
            prog.put()
        self.progs.clear()

    # elements

    def update_elem(self, key: int, value: bytes, flags: int = 0, *, fds: FdTable | None = None) -> int:
        """BPF_MAP_UPDATE_ELEM: the one and only population; function slots hold descriptors of ``fds``.

        Returns 0 (1 in one kernel quirk, see ``Kernel.fixes``). Raises SyscallError: EINVAL, E2BIG, EBUSY, EBADF,
        whatever ``init_member``, ``validate`` or ``reg`` return; then the map is in state INIT again.
        """
        if flags:
            raise SyscallError(EINVAL, "BPF_MAP_UPDATE_ELEM of a struct_ops map takes no flags")
        if key != 0:
            raise SyscallError(E2BIG, "a struct_ops map has key 0 only")
        self._check_value(value)
        with self.lock.held(UPDATE_FUNCTION):
            if self.state != STATE_INIT:
                raise SyscallError(EBUSY, f"struct_ops map {self.name} is populated already")
            try:
                return self._populate(value, self.kernel.fds if fds is None else fds)
            except KernelOops:
                raise
            except Undo as undo:
                self._reset()
                if undo.errno >= 0:
                    return undo.errno
                raise SyscallError(undo.errno, undo.message) from undo
            except BpfvmError:
                self._reset()
                raise

    def _check_value(self, value: bytes) -> None:
        type_ = self.type
        if len(value) != type_.value_size:
            raise UsageError(f"the value of map {self.name} has {type_.value_size} bytes, {len(value)} were given")
        data = value[type_.data_offset :]
        if check_zero_holes(type_.btf, type_.value_struct, value) or check_zero_holes(type_.btf, type_.struct, data):
            raise SyscallError(EINVAL, f"padding of struct {type_.name} must be zero")
        if any(value[STATE]) or any(value[REFCNT]):
            raise SyscallError(EINVAL, "state and refcnt of the value must be zero")

    def _populate(self, value: bytes, fds: FdTable) -> int:
        kernel, desc = self.kernel, self.type.desc
        try:
            self.udata = fill_members(self, value, fds)
        except ModuleMemberSet as quirk:
            raise Undo(-EINVAL if "module_member" in kernel.fixes else quirk.errno, str(quirk)) from quirk
        if desc.validate is not None:
            with kernel.in_function(UPDATE_FUNCTION):
                error = desc.validate(self.kdata)
            self._require(error)
        kernel.trampolines.publish(self.area)
        if self.is_link_map:
            self._set_state(STATE_READY)
            return 0
        with kernel.in_function(UPDATE_FUNCTION):
            error = desc.reg(self.kdata, None)
        self._require(error)
        self.get()
        self._set_state(STATE_INUSE)
        return 0

    def _require(self, result: int) -> None:
        if result:
            raise Undo(result, f"struct {self.type.name} refused the instance")

    def _reset(self) -> None:
        """Back to INIT, so that the map can be populated again."""
        self.kernel.trampolines.unpublish(self.area)
        self.area.free()
        self._put_progs()
        self.udata = bytes(self.type.value_size)
        self.kernel.memory.write(self.value_addr, self.udata)

    def lookup_elem(self, key: int) -> bytes:
        """BPF_MAP_LOOKUP_ELEM from user space: udata with state and an estimate of users. Raises SyscallError
        ENOENT."""
        if key != 0:
            raise SyscallError(ENOENT, "a struct_ops map has key 0 only")
        state = self.state
        if state == STATE_INIT:
            return bytes(self.type.value_size)
        users = max(self.refcnt - self.usercnt, 0)
        return users.to_bytes(4, "little") + state.to_bytes(4, "little") + self.udata[8:]

    def lookup_in_prog(self, key: int) -> int:
        """A program's own lookup always fails. Raises SyscallError EINVAL."""
        raise SyscallError(EINVAL, "bpf_struct_ops map cannot be used in prog")

    def next_key(self, key: int | None) -> int:
        """BPF_MAP_GET_NEXT_KEY: 0 comes first (and after unknown keys), nothing after it. Raises SyscallError
        ENOENT."""
        if key == 0:
            raise SyscallError(ENOENT, "no key after 0")
        return 0

    def delete_elem(self, key: int) -> None:
        """BPF_MAP_DELETE_ELEM: unregister a link-less map. Raises SyscallError EOPNOTSUPP, EINPROGRESS, ENOENT.

        The kernel doesn't look at the key.
        """
        if self.is_link_map:
            raise SyscallError(EOPNOTSUPP, f"map {self.name} is attached through links")
        state = self.state
        if state == STATE_TOBEFREE:
            raise SyscallError(EINPROGRESS, f"map {self.name} is being unregistered")
        if state != STATE_INUSE:
            raise SyscallError(ENOENT, f"map {self.name} is not registered")
        self._set_state(STATE_TOBEFREE)
        with self.kernel.in_function("bpf_struct_ops_map_delete_elem"):
            self.type.desc.unreg(self.kdata, None)
        self.put()

    def freeze(self) -> None:
        """BPF_MAP_FREEZE. Raises SyscallError ENOTSUPP."""
        raise SyscallError(ENOTSUPP, "a struct_ops map can't be frozen")

    def mmap(self) -> None:
        """Raises SyscallError ENOTSUPP."""
        raise SyscallError(ENOTSUPP, "a struct_ops map can't be mapped")

    def batch(self, operation: str) -> None:
        """BPF_MAP_*_BATCH. Raises SyscallError ENOTSUPP."""
        raise SyscallError(ENOTSUPP, f"a struct_ops map has no {operation} operation")
