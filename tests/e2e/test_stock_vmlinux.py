# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An object compiled against the full vmlinux.h of a real kernel loads and runs unchanged.

The header is printed from /sys/kernel/btf/vmlinux with our own dumper, the policy is compiled with a stock clang that
knows nothing of bpfvm, and its hundreds of kilobytes of BTF are relocated to the emulated kernel by name.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path

import pytest

from bpf_progs.compiler import CompilerMissing, find_compiler
from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.dump_c import dump_c
from bpfvm.btf.layout import member
from bpfvm.elf import read_elf
from bpfvm.errors import BadInput
from bpfvm.obj.open import open_object
from bpfvm.report.verdicts import verify_programs
from bpfvm.session import Session

HOST_BTF = Path("/sys/kernel/btf/vmlinux")
SOURCE = Path(__file__).parent / "stock_policy.bpf.c"
STRUCTS = 2000
BTF_AT_LEAST = 300_000
TOUCHED = {"vm_area_struct": "vm_mm", "mm_struct": "owner", "task_struct": "cgroups", "css_set": "dfl_cgrp"}


@pytest.fixture(scope="module")
def headers() -> Path:
    """A folder outside of the checkout with vmlinux.h and every_type.h, made once per kernel."""
    try:
        data = HOST_BTF.read_bytes()
    except OSError as error:
        pytest.skip(f"{HOST_BTF}: {error.strerror}")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "bpfvm" / "e2e" / hashlib.sha256(data).hexdigest()[:16]
    if not (folder / "every_type.h").exists():
        folder.mkdir(parents=True, exist_ok=True)
        btf = Btf.parse(data)
        _need_fields(btf)
        header = dump_c(btf)
        _write(folder / "vmlinux.h", header)
        names = re.findall(r"^struct (\w+) \{$", header, re.MULTILINE)[:STRUCTS]
        lines = "".join(f"\tstruct {name} m{number};\n" for number, name in enumerate(names))
        _write(folder / "every_type.h", f"union every_type {{\n{lines}}};\n")
    return folder


def _need_fields(btf: Btf) -> None:
    for struct, name in TOUCHED.items():
        try:
            member(btf, btf.find(struct, t.Struct), name)
        except BadInput:
            pytest.skip(f"the running kernel's {struct} has no {name}")


def _write(path: Path, text: str) -> None:
    """Whole or not at all, because several test processes may be doing it."""
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(text)
    unfinished.replace(path)


@pytest.fixture(scope="module")
def stock_object(headers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        compiler = find_compiler()
    except CompilerMissing as error:
        pytest.skip(str(error).splitlines()[0])
    built = compiler.compile(SOURCE.name, SOURCE.parent, include=[str(headers)])
    path = tmp_path_factory.mktemp("stock") / "stock_policy.bpf.o"
    path.write_bytes(built)
    return path


def test_its_btf_is_that_of_a_real_kernel(stock_object: Path) -> None:
    section = read_elf(stock_object.read_bytes(), str(stock_object)).section(".BTF")
    assert section is not None
    assert section.size > BTF_AT_LEAST


def test_it_runs_unchanged(stock_object: Path) -> None:
    with Session(sysfs={"enabled": "always"}) as session:
        task = session.thp.spawn("a")
        loaded = session.load(stock_object, set={"stock.pid": task.pid})
        loaded.attach("stock")
        assert session.thp.managed("a") == "stock"
        assert session.thp.fresh_fault("a").order == 0
        cgroup = loaded.variable("asked")
        assert cgroup == session.runtime.tasks.cgroup_id_of(session.runtime.tasks.cgroup_of(task.addr))
        loaded.map_update("listed", cgroup, 1)
        assert session.thp.fresh_fault("a").order == 9


def test_time_to_open_relocate_and_verify(stock_object: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = time.perf_counter()
    spec = open_object(stock_object)
    opened = time.perf_counter()
    verdicts = verify_programs(spec)
    done = time.perf_counter()
    assert [each.word for each in verdicts] == ["accepted"]
    with capsys.disabled():
        print(f"\nstock vmlinux.h object: open {opened - start:.2f} s, relocate and verify {done - opened:.2f} s")
