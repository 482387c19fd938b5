# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One emulated machine: kernel profile, loader, verifier, runtime and subsystems wired together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from errno import EINVAL
from functools import partial
from typing import TYPE_CHECKING, Any

from bpfvm.btf import Btf
from bpfvm.engine.choose import make_engine
from bpfvm.engine.image import Image, link_image
from bpfvm.errors import KernelReport, Rejected, UsageError
from bpfvm.events import Observer, Sink
from bpfvm.memory import Memory
from bpfvm.obj.link import check_runnable
from bpfvm.obj.model import ObjectSpec, VerifiedProgram
from bpfvm.obj.open import open_object
from bpfvm.runtime import Runtime
from bpfvm.runtime.maps import Map, ProgArrayMap
from bpfvm.runtime.maps.arena import arena_of
from bpfvm.runtime.maps.prog_owner import ProgOwner
from bpfvm.runtime.test_run import convert_ctx_access
from bpfvm.session.judge import Judge
from bpfvm.session.loaded import LoadedObject
from bpfvm.session.make_maps import create, fill_slots
from bpfvm.session.settings import Value, apply_settings
from bpfvm.session.subsystems import find_subsystem
from bpfvm.struct_ops.attach import BpfMap
from bpfvm.struct_ops.dummy_ops import DummyOps
from bpfvm.struct_ops.kernel import Kernel
from bpfvm.struct_ops.load import LoadPlan, plan_struct_ops
from bpfvm.struct_ops.syscall import Syscalls

if TYPE_CHECKING:
    from verifier import Capabilities

CHECKERS = ("off", "list", "kasan")
REPORTS = ("raise", "record")
MEMORY = 256 << 20
ARENA_ROOM = 9 << 30
"""addresses for two arenas; the host gives pages when they are touched"""


class Session:
    """An emulated kernel with the mm subsystem, into which objects are loaded.

    ``kernel``: verifier profile ("6.12", "6.18", "6.18+mm-trust"); ``thp``: BPF-THP revision ("v11", "v12", "fixed");
    ``engine``: "auto" (the portable fast one), "interp", "fast" or "jit"; ``checker``: "off", "list" or "kasan"; the
    same ``seed`` gives the same run, byte for byte. ``reports``: a report of the memory checker is raised, or recorded
    for ``take_reports`` while the kernel goes on, as a real one would; ``arenas``: there is room for objects with an
    arena, which need 4 GiB of addresses each. More keyword arguments go to the subsystem
    (sysfs, memory_mb, patches …). Raises UsageError.
    """

    def __init__(
        self,
        kernel: str = "6.18",
        thp: str = "v11",
        engine: str = "auto",
        checker: str = "kasan",
        seed: int = 0,
        reports: str = "raise",
        arenas: bool = False,
        **options: Any,
    ) -> None:
        import verifier

        if checker not in CHECKERS:
            raise UsageError(f"checker `{checker}`; there are {', '.join(CHECKERS)}")
        subsystem = find_subsystem("thp")
        if reports not in REPORTS:
            raise UsageError(f"reports `{reports}`; there are {', '.join(REPORTS)}")
        patches = tuple(options.get("patches", ()))
        self.btf: Btf = subsystem.kernel_btf(patch04=4 in patches)
        self.profile = verifier.profile(kernel)
        self.memory = Memory(MEMORY + (ARENA_ROOM if arenas else 0), checker)
        self.sink = Sink()
        self.runtime = Runtime(self.memory, self.btf, seed=seed, sink=self.sink)
        self.kernel = Kernel(self.memory, self.btf, self.runtime, self.sink, checker)
        self.interpreter = make_engine(
            engine,
            self.memory,
            self.runtime,
            packet=self.runtime.packet_load,
            tail_calls=self.runtime.tail_target,
        )
        self.syscalls = Syscalls(self.kernel, self.kernel.fds)
        self._reports: list[KernelReport] = []
        if reports == "record":
            self.memory.report = self._record
        self.thp = subsystem.boot(self.kernel, profile=thp, **options)
        self.runtime.symbol_address = self.thp.ksyms.get
        self.kernel.registry.register(DummyOps())

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the emulated memory back."""
        self.memory.close()

    @property
    def console(self) -> list[str]:
        """The kernel log so far."""
        return self.runtime.console

    @property
    def trace(self) -> list[str]:
        """What programs printed with bpf_printk."""
        return self.runtime.trace

    def observe(self, observer: Observer) -> Any:
        """Hand every event to ``observer``; returns a function that stops it."""
        return self.sink.add(observer)

    def _record(self, report: KernelReport) -> None:
        self.kernel.log_report(report)
        self._reports.append(report)

    def take_reports(self) -> list[KernelReport]:
        """Reports of the memory checker after which the kernel went on, since the last call."""
        taken, self._reports = self._reports, []
        return taken

    def open(self, path: str | os.PathLike[str] | bytes) -> ObjectSpec:
        """Open an object file (pure; the same as ``bpfvm.open``)."""
        return open_object(path)

    def verify(
        self,
        spec: ObjectSpec,
        prog: str,
        *,
        log_level: int = 1,
        plan: LoadPlan | None = None,
        caps: Capabilities | None = None,
    ) -> VerifiedProgram:
        """Link and verify one program, as who has only the capabilities ``caps`` (None: all). Raises Rejected with the
        kernel-format log."""
        return self.judge(caps).verify(spec, prog, log_level=log_level, plan=plan)

    def judge(self, caps: Capabilities | None = None) -> Judge:
        """The verifier of this kernel, for who has the capabilities ``caps`` (None: all)."""
        import verifier

        env = verifier.VerifierEnv(self.btf, self.profile, self.kernel.registry, caps=caps or verifier.ALL_CAPS)
        return Judge(self.kernel, env)

    def load(
        self,
        spec: ObjectSpec | str | os.PathLike[str],
        *,
        set: Mapping[str, Value] | None = None,
        log_level: int = 1,
    ) -> LoadedObject:
        """What libbpf's open and load do: settings, struct_ops matching, maps, programs, values; nothing is attached.

        ``set``: ``{"map.member": value, "global": value}``. Raises BadInput, Rejected, SyscallError, UsageError.
        """
        opened = spec if isinstance(spec, ObjectSpec) else open_object(spec)
        check_runnable(opened)
        opened = apply_settings(opened, set or {})
        plan = plan_struct_ops(opened, self.kernel)
        loaded = LoadedObject(self, opened, log=plan.log)
        for key, map_spec in opened.maps.items():
            loaded.maps[key] = create(self.runtime, map_spec)
        for name, map_plan in plan.maps.items():
            instance = BpfMap(map_plan, self.syscalls)
            instance.create()
            loaded.struct_ops[name] = instance
        prog_ids = self._load_programs(loaded, plan, log_level)
        fill_slots(loaded.maps, prog_ids)
        for instance in loaded.struct_ops.values():
            instance.set_programs(loaded.prog_fds)
        return loaded

    def _load_programs(self, loaded: LoadedObject, plan: LoadPlan, log_level: int) -> dict[str, int]:
        """Their ids by name."""
        ids: dict[str, int] = {}
        for name, prog in loaded.spec.programs.items():
            wanted = name in plan.autoload if prog.prog_type == "struct_ops" else prog.autoload
            if not wanted:
                continue
            verified = self.verify(loaded.spec, name, log_level=log_level, plan=plan)
            loaded.programs[name] = verified
            used = loaded.maps_of(verified.program)
            owner = self._claim_prog_arrays(verified, used)
            image = self._place(verified, used)
            loaded.images[name] = image
            point = plan.attach.get(name)
            handle = self.kernel.progs.load(
                name,
                partial(self.interpreter.run, image),
                prog_type=prog.prog_type,
                attach_btf=point.btf if point else None,
                attach_btf_id=point.attach_btf_id if point else 0,
                expected_attach_type=point.expected_attach_type if point else 0,
                sleepable=prog.sleepable,
                image=image,
            )
            loaded.prog_fds[name] = self.kernel.fds.install(handle)
            ids[name] = handle.id
            self.runtime.programs[handle.id] = image
            self.runtime.prog_owners[handle.id] = owner
        return ids

    def _claim_prog_arrays(self, verified: VerifiedProgram, used: Sequence[Map]) -> ProgOwner:
        """The kernel's last check, after the verifier's and without a word in the log."""
        program = verified.program
        owner = ProgOwner.of(program, used, self.btf)
        for each in used:
            first = each.claim(owner) if isinstance(each, ProgArrayMap) else None
            if first is not None:
                what = f"program array `{each.spec.name}` belongs to {first.kind}, as `{first.name}` is"
                raise Rejected(f"{what}; this is {owner.kind}", errno=EINVAL, log=verified.log, prog=program.name)
        return owner

    def _place(self, verified: VerifiedProgram, used: Sequence[Map]) -> Image:
        """Resolve map, variable and function references to addresses."""
        verified = convert_ctx_access(verified)
        return link_image(
            verified,
            [each.addr for each in used],
            [each.direct_value() for each in used],
            self._ksym,
            arena=arena_of(used),
        )

    def _ksym(self, btf_id: int) -> int:
        name = self.btf.name_of(btf_id)
        address = self.thp.ksyms.get(name)
        if address is None:
            raise Rejected(f"kernel variable `{name}` is not emulated", errno=EINVAL)
        return int(address)

    def run(self, loaded: LoadedObject, prog: str, ctx: int = 0, *, fuel: int | None = None) -> int:
        """Run a loaded program once on a context address; returns R0 as u64. Raises Trap."""
        if prog not in loaded.images:
            raise UsageError(f"no loaded program `{prog}` (there are: {', '.join(loaded.images) or 'none'})")
        return self.interpreter.run(loaded.images[prog], ctx, fuel=fuel)
