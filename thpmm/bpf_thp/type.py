# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The struct_ops type ``bpf_thp_ops``: registration, unregistration, update (mm/huge_memory_bpf.c, v11, v12, and
our remedies)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from bpfvm.memory.lists import init_list_head, list_add_tail, list_del
from bpfvm.struct_ops.sleepable import Sleepable
from bpfvm.struct_ops.type_desc import StructOpsType
from thpmm.bpf_thp.mm_list import nodes
from thpmm.errnos import EBUSY, EINVAL, ENOENT, ESRCH
from thpmm.exit import mmput
from thpmm.mm import get_task_mm
from thpmm.task import PF_EXITING, Task

if TYPE_CHECKING:
    from bpfvm.struct_ops.link import StructOpsLink
    from thpmm.machine import Machine

PID_MEMBER = 0
GLOBAL_PATCH = 6


class BpfThpOps(StructOpsType):
    """Callbacks for the framework; ``kdata`` is the address of an instance's struct bpf_thp_ops."""

    name: ClassVar[str] = "bpf_thp_ops"
    stubs: ClassVar[Mapping[str, str]] = {"thp_get_order": "bpf_thp_get_order"}

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.users: dict[int, int] = {}

    def _pid(self, kdata: int) -> int:
        pid = self.machine.memory.load(kdata + self.machine.bpf_thp.layout.pid, 4)
        return pid - (1 << 32) if pid >> 31 else pid

    def _head(self, kdata: int) -> int:
        return kdata + self.machine.bpf_thp.layout.mm_list

    def _global(self, kdata: int) -> bool:
        """Patch 06: pid 0 means everybody."""
        return GLOBAL_PATCH in self.machine.profile.patches and self._pid(kdata) == 0

    def check_member(self, member: int, program: Sleepable) -> int:
        """The hook holds the RCU read lock, so programs mustn't sleep."""
        return -EINVAL if program.sleepable else 0

    def init_member(self, member: int, kdata: int, udata: bytes) -> int:
        """``pid`` is copied as it is; everything else is the framework's business."""
        if member != PID_MEMBER:
            return 0
        offset = self.machine.bpf_thp.layout.pid
        self.machine.memory.write(kdata + offset, udata[offset : offset + 4])
        return 1

    def validate(self, kdata: int) -> int:
        """The callback is required."""
        layout = self.machine.bpf_thp.layout
        if not self.machine.memory.u64(kdata + layout.thp_get_order):
            self.kernel.console("bpf_thp: required ops isn't implemented")
            return -EINVAL
        if self.machine.profile.has("list_init_once"):
            init_list_head(self.machine.memory, self._head(kdata))
        return 0

    def reg(self, kdata: int, link: StructOpsLink | None) -> int:
        """bpf_thp_reg(): manage the address space of the task with this instance's pid."""
        with self.kernel.in_function("bpf_thp_reg"):
            error = self._reg_global(kdata) if self._global(kdata) else self._reg(kdata)
        if not error:
            self.users[kdata] = self.users.get(kdata, 0) + 1
        return error

    def _find(self, pid: int) -> Task | None:
        """find_get_task_by_vpid(), and what the flags say about the task found."""
        task = self.machine.pids.find(pid)
        if task is None or not task.flags & PF_EXITING:
            return task
        if self.machine.profile.has("search_thread_group"):
            return next(iter(task.group.living()), None)
        return None

    def _reg(self, kdata: int) -> int:
        machine, profile = self.machine, self.machine.profile
        task = self._find(self._pid(kdata))
        if task is None:
            return -ESRCH
        mm = get_task_mm(task)
        self.kernel.pause_point("reg_after_get_mm")
        if not mm and profile.has("null_mm_is_einval"):
            return -EINVAL
        error = -EINVAL
        if mm:
            with machine.bpf_thp.lock.held("bpf_thp_reg"):
                error = self._publish(kdata, mm, task)
        mmput(machine, mm)
        return error

    def _publish(self, kdata: int, mm: int, task: Task) -> int:
        """Under the lock: one instance per address space."""
        bpf_thp, profile = self.machine.bpf_thp, self.machine.profile
        if bpf_thp.instance(mm) or bpf_thp.hook.global_ops:
            return -EBUSY
        if profile.has("recheck_mm") and not (self.machine.tasks.get(task.addr) is task and task.mm_addr == mm):
            return -ESRCH
        bpf_thp.set_instance(mm, kdata)
        if not profile.has("list_init_once"):
            init_list_head(self.machine.memory, self._head(kdata))
        list_add_tail(self.machine.memory, bpf_thp.node(mm), self._head(kdata))
        return 0

    def _reg_global(self, kdata: int) -> int:
        """Patch 06; instances attached to processes before stay where they are, unheard."""
        bpf_thp = self.machine.bpf_thp
        with bpf_thp.lock.held("bpf_thp_reg"):
            if bpf_thp.hook.global_ops:
                return -EBUSY
            bpf_thp.hook.global_ops = kdata
        return 0

    def unreg(self, kdata: int, link: StructOpsLink | None) -> None:
        """bpf_thp_unreg(): every managed address space is let go, then a grace period passes."""
        kernel, bpf_thp = self.kernel, self.machine.bpf_thp
        self.users[kdata] = self.users.get(kdata, 1) - 1
        with kernel.in_function("bpf_thp_unreg"):
            with bpf_thp.lock.held("bpf_thp_unreg"):
                if self._global(kdata):
                    bpf_thp.hook.global_ops = 0
                else:
                    self._clear_all(kdata)
            kernel.synchronize_rcu()

    def _clear_all(self, kdata: int) -> None:
        memory, node_in_mm = self.kernel.memory, self.machine.bpf_thp.layout.node
        unlink_first = self.machine.profile.has("unlink_before_clear")
        for node in nodes(self.kernel, self._head(kdata)):
            mm = node - node_in_mm
            if unlink_first:
                list_del(memory, node)
                self.kernel.pause_point("unreg_between_clear_and_unlink")
                self.machine.bpf_thp.set_instance(mm, 0)
            else:
                self.machine.bpf_thp.set_instance(mm, 0)
                self.kernel.pause_point("unreg_between_clear_and_unlink")
                list_del(memory, node)

    def update(self, kdata: int, old_kdata: int, link: StructOpsLink) -> int:
        """bpf_thp_update(): everything the old instance manages goes over to the new one."""
        with self.kernel.in_function("bpf_thp_update"):
            refused = self._refuse_update(kdata, old_kdata)
            if refused:
                return refused
            if self._global(old_kdata):
                return self._update_global(kdata)
            self._migrate(kdata, old_kdata)
            self.kernel.synchronize_rcu()
        self._moved(kdata, old_kdata)
        return 0

    def _refuse_update(self, kdata: int, old_kdata: int) -> int:
        profile = self.machine.profile
        if profile.has("update_refuses_same") and kdata == old_kdata:
            return -EINVAL
        if profile.has("update_refuses_in_use") and kdata != old_kdata and self.users.get(kdata, 0):
            return -EBUSY
        if profile.has("update_checks_pid") and self._pid(kdata) != self._pid(old_kdata):
            return -EINVAL
        return -EINVAL if self._global(kdata) != self._global(old_kdata) else 0

    def _update_global(self, kdata: int) -> int:
        hook = self.machine.bpf_thp.hook
        if not hook.global_ops:
            return -ENOENT
        self._moved(kdata, hook.global_ops)
        hook.global_ops = kdata
        self.kernel.synchronize_rcu()
        return 0

    def _migrate(self, kdata: int, old_kdata: int) -> None:
        memory, bpf_thp = self.kernel.memory, self.machine.bpf_thp
        if not self.machine.profile.has("list_init_once"):
            init_list_head(memory, self._head(kdata))
        with bpf_thp.lock.held("bpf_thp_update"):
            for node in nodes(self.kernel, self._head(old_kdata)):
                bpf_thp.set_instance(node - bpf_thp.layout.node, kdata)
                list_del(memory, node)
                list_add_tail(memory, node, self._head(kdata))

    def _moved(self, kdata: int, old_kdata: int) -> None:
        self.users[old_kdata] = self.users.get(old_kdata, 1) - 1
        self.users[kdata] = self.users.get(kdata, 0) + 1
