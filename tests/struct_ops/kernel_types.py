# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A kernel for tests: a conformance type with every kind of member, one like bpf_dummy_ops, and their descriptors."""

from __future__ import annotations

from collections.abc import Callable
from errno import EBUSY, EINVAL, EOPNOTSUPP
from typing import ClassVar

from bpfvm.btf import Btf
from bpfvm.events import Event
from bpfvm.memory import Memory
from bpfvm.runtime.runtime import Runtime
from bpfvm.struct_ops import Kernel, KernelConfig, StructOpsLink, StructOpsMap, StructOpsType, Syscalls
from bpfvm.struct_ops.constants import BPF_F_LINK, STATE_NAMES
from bpfvm.struct_ops.map import MapAttr
from bpfvm.struct_ops.progs import LoadedProg
from bpfvm.struct_ops.sleepable import Sleepable
from tests.struct_ops.btf_builder import BtfBuilder

SIGNED, CHAR, BOOL = 1, 2, 4


class Common:
    """Types every kernel BTF of these tests has."""

    def __init__(self, b: BtfBuilder, *, module: bool = True) -> None:
        self.b = b
        self.int = b.int("int", 4, SIGNED)
        self.u32 = b.int("unsigned int", 4)
        self.u16 = b.int("short unsigned int", 2)
        self.u64 = b.int("long unsigned int", 8)
        self.char = b.int("char", 1, SIGNED)
        self.bool = b.int("_Bool", 1, BOOL)
        self.void_ptr = b.ptr(0)
        self.list_head = b.struct("list_head", [("next", self.void_ptr), ("prev", self.void_ptr)])
        self.atomic = b.struct("", [("counter", self.int)])
        self.refcount = b.struct("refcount_struct", [("refs", b.typedef("atomic_t", self.atomic))])
        self.state = b.enum("bpf_struct_ops_state", [(name, number) for number, name in enumerate(STATE_NAMES)])
        self.common = b.struct(
            "bpf_struct_ops_common_value", [("refcnt", b.typedef("refcount_t", self.refcount)), ("state", self.state)]
        )
        name = b.array(self.char, 16, self.int)
        self.task = b.struct("task_struct", [("pid", self.int), ("comm", name)])
        self.task_ptr = b.ptr(self.task)
        self.name16 = name
        if module:
            self.module = b.struct("module", [("state", self.int)])
            self.module_ptr = b.ptr(self.module)

    def value_of(self, name: str, struct: int) -> int:
        """``struct bpf_struct_ops_<name>``."""
        size = -(-(64 + self.b.size(struct)) // 64) * 64
        return self.b.struct(f"bpf_struct_ops_{name}", [("common", self.common, 0), ("data", struct, 64)], size)


def conformance_btf() -> Btf:
    """conf_ops (every kind of member), plain_ops (no optional callbacks), dummy_ops (never registers)."""
    b = BtfBuilder()
    c = Common(b)
    pair = b.struct("", [("a", c.int), ("b", c.int)])
    big = b.struct("big_arg", [("lo", c.u64), ("hi", c.int)])
    conf = b.struct(
        "conf_ops",
        [
            ("test_1", b.method(c.int)),
            ("test_2", b.method(0, [("a", c.int), ("b", c.u16), ("c", c.u64)])),
            ("maybe_null", b.method(c.int, [("dummy", c.int), ("task", c.task_ptr)])),
            ("unsupported", b.method(c.int)),
            ("onebyte", c.char),
            ("pair", pair),
            ("data", c.int),
            ("flags_of", b.method(c.u32, [("x", c.u64)])),
            ("pick", b.method(c.task_ptr)),
            ("take", b.method(c.bool, [("task", c.task_ptr)])),
            ("owner", c.module_ptr),
            ("list", c.list_head),
            ("by_value", b.method(c.u64, [("first", c.int), ("pair", big), ("last", c.char)])),
            ("tail", c.u32),
        ],
    )
    c.value_of("conf_ops", conf)
    b.func("conf_ops__test_1", b.proto(c.int))
    b.func("conf_ops__test_2", b.proto(0, [("a", c.int), ("b", c.u16), ("c", c.u64)]))
    b.func("conf_ops__maybe_null", b.proto(c.int, [("dummy", c.int), ("task__nullable", c.task_ptr)]))
    b.func("conf_ops__take", b.proto(c.bool, [("task__ref", c.task_ptr)]))
    plain = b.struct("plain_ops", [("call", b.method(c.int)), ("value", c.int)])
    c.value_of("plain_ops", plain)
    state = b.struct("bpf_dummy_ops_state", [("val", c.int)])
    state_ptr = b.ptr(state)
    dummy = b.struct(
        "bpf_dummy_ops",
        [
            ("test_1", b.method(c.int, [("cb", state_ptr)])),
            (
                "test_2",
                b.method(c.int, [("cb", state_ptr), ("a1", c.int), ("a2", c.u16), ("a3", c.char), ("a4", c.u64)]),
            ),
            ("test_sleepable", b.method(c.int, [("cb", state_ptr)])),
        ],
    )
    c.value_of("bpf_dummy_ops", dummy)
    return b.build()


class Recorder(StructOpsType):
    """Writes down every callback; ``answers`` overrides what one returns."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.answers: dict[str, int] = {}
        self.seen_links: list[StructOpsLink | None] = []
        self.during: dict[str, Callable[[], None]] = {}

    def note(self, what: str, key: str = "") -> int:
        self.calls.append(what)
        hook = self.during.get(key or what)
        if hook is not None:
            hook()
        return self.answers.get(key or what, 0)

    def init(self, btf: Btf) -> int:
        return self.note("init")

    def reg(self, kdata: int, link: StructOpsLink | None) -> int:
        self.seen_links.append(link)
        return self.note("reg")

    def unreg(self, kdata: int, link: StructOpsLink | None) -> None:
        self.seen_links.append(link)
        self.note("unreg")


class ConfOps(Recorder):
    """A type with data, private, unsupported and owner members and all optional callbacks."""

    name: ClassVar[str] = "conf_ops"
    stubs = frozenset({"test_1", "test_2", "maybe_null", "flags_of", "pick", "take", "by_value"})

    def check_member(self, member: int, prog: Sleepable) -> int:
        self.note(f"check_member {member}", "check_member")
        return -EINVAL if prog.sleepable else 0

    def init_member(self, member: int, kdata: int, udata: bytes) -> int:
        registered = self.kernel.registry.by_name(self.name)
        assert registered is not None
        info = registered.members[member]
        if self.note(f"init_member {info.name}", f"init_member {info.name}") < 0:
            return self.answers[f"init_member {info.name}"]
        if info.name != "data":
            return 0
        self.kernel.memory.write(kdata + info.offset, udata[info.offset : info.offset + info.size])
        return 1

    def validate(self, kdata: int) -> int:
        return self.note("validate")

    def update(self, new: int, old: int, link: StructOpsLink) -> int:
        return self.note("update")


class PlainOps(Recorder):
    """A type without validate, update and check_member; one instance at a time."""

    name: ClassVar[str] = "plain_ops"
    stubs = frozenset({"call"})

    def __init__(self) -> None:
        super().__init__()
        self.active = 0

    def reg(self, kdata: int, link: StructOpsLink | None) -> int:
        super().reg(kdata, link)
        if self.active:
            return -EBUSY
        self.active = kdata
        return 0

    def unreg(self, kdata: int, link: StructOpsLink | None) -> None:
        super().unreg(kdata, link)
        self.active = 0


class DummyOps(StructOpsType):
    """Like the kernel's bpf_dummy_ops: loadable, sleepable for one member, never registered."""

    name: ClassVar[str] = "bpf_dummy_ops"
    stubs = frozenset({"test_1", "test_2", "test_sleepable"})

    def check_member(self, member: int, prog: Sleepable) -> int:
        return -EINVAL if prog.sleepable and member != 2 else 0

    def reg(self, kdata: int, link: StructOpsLink | None) -> int:
        return -EOPNOTSUPP

    def unreg(self, kdata: int, link: StructOpsLink | None) -> None:
        raise AssertionError("bpf_dummy_ops was never registered")


class World:
    """A booted kernel with the conformance types, one process, and short ways to make objects."""

    def __init__(
        self, checker: str = "off", config: KernelConfig | None = None, fixes: frozenset[str] = frozenset()
    ) -> None:
        self.memory = Memory(4 << 20, checker)
        self.btf = conformance_btf()
        self.kernel = Kernel(
            self.memory,
            self.btf,
            Runtime(self.memory, self.btf),
            checker=checker,
            config=config or KernelConfig(),
            fixes=fixes,
        )
        self.conf, self.plain, self.dummy = ConfOps(), PlainOps(), DummyOps()
        for desc in (self.conf, self.plain, self.dummy):
            assert self.kernel.registry.register(desc) == 0
        self.sys = Syscalls(self.kernel, self.kernel.fds)
        self.events: list[Event] = []

    def watch(self) -> None:
        self.kernel.sink.add(self.events.append)

    def type_id(self, name: str) -> int:
        found = self.kernel.registry.by_name(name)
        assert found is not None
        return found.type_id

    def attr(self, name: str = "m", type_: str = "conf_ops", flags: int = BPF_F_LINK) -> MapAttr:
        found = self.kernel.registry.by_name(type_)
        assert found is not None
        return MapAttr(name, found.value_id, found.value_size, map_flags=flags)

    def map(self, name: str = "m", type_: str = "conf_ops", flags: int = BPF_F_LINK) -> tuple[int, StructOpsMap]:
        """A new map: descriptor and object."""
        fd = self.sys.map_create(self.attr(name, type_, flags))
        return fd, self.sys.map(fd)

    def prog(
        self, member: str, run: Callable[[int], int] | None = None, type_: str = "conf_ops"
    ) -> tuple[int, LoadedProg]:
        """A loaded program for a member: descriptor and object."""
        found = self.kernel.registry.by_name(type_)
        assert found is not None
        index = [each.name for each in found.members].index(member)
        prog = self.kernel.progs.load(
            f"prog_{member}", run or (lambda ctx: 0), attach_btf_id=found.type_id, expected_attach_type=index
        )
        return self.kernel.fds.install(prog), prog

    def value(self, type_: str = "conf_ops", /, **members: int) -> bytes:
        """A value for update_elem with these members set."""
        found = self.kernel.registry.by_name(type_)
        assert found is not None
        value = bytearray(found.value_size)
        for name, number in members.items():
            info = found.member(name)
            assert info is not None
            start = found.data_offset + info.offset
            value[start : start + info.size] = (number & ((1 << 8 * info.size) - 1)).to_bytes(info.size, "little")
        return bytes(value)

    def ready(self, name: str = "m", type_: str = "conf_ops") -> tuple[int, StructOpsMap]:
        """A populated BPF_F_LINK map."""
        fd, made = self.map(name, type_)
        self.sys.map_update_elem(fd, 0, self.value(type_))
        return fd, made

    def console(self) -> list[str]:
        return list(self.kernel.runtime.console)

    def slot(self, made: StructOpsMap, member: str) -> int:
        """The function pointer in kdata."""
        info = made.type.member(member)
        assert info is not None
        return self.memory.load(made.kdata + info.offset, 8)
