# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs that throw, run by the kernel and on our engines. Load and test_run only; skipped without bpf(2)."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpf_progs.compiler import CompilerMissing, find_compiler
from bpfvm.engine.choose import engine_class
from bpfvm.engine.image import link_image
from bpfvm.engine.jit import available
from bpfvm.isa.insn import encode
from bpfvm.memory import Memory
from bpfvm.obj.model import ObjectSpec, Program
from bpfvm.obj.open import open_object
from bpfvm.runtime import Runtime
from tests import kernel_oracle as ko
from tests.differential.object_oracle import linked, loaded_btf
from tests.differential.verifier_oracle import environment, kernel_btf
from verifier import verify

pytestmark = pytest.mark.skipif(not ko.available(), reason="bpf(2) is not usable here")
ENGINES = ["interp", "fast", *["jit"] * available()]
SOURCE = """
#define SEC(name) __attribute__((section(name), used))
#define NOINLINE __attribute__((noinline))
#define HANDLER(name) __attribute__((btf_decl_tag("exception_callback:" #name)))
typedef unsigned long long u64;
extern void bpf_throw(u64 cookie) __attribute__((section(".ksyms")));
struct __sk_buff;
volatile u64 zero, seen;

NOINLINE int plus_ten(u64 cookie) { return cookie + 10; }
NOINLINE int counted(u64 cookie) { seen += cookie; return seen + 7; }
static NOINLINE int inner(u64 x) { volatile u64 here = x; if (!zero) bpf_throw(here * 3); return here; }
static NOINLINE int outer(u64 x) { volatile u64 here = inner(x + 1); return here + 1; }
NOINLINE int wide(u64 cookie) { if (cookie) bpf_throw(0xffffffff80000000ull + cookie); return 1; }

SEC("tc") int main_default(struct __sk_buff *ctx) { bpf_throw(64); return 1; }
SEC("tc") HANDLER(plus_ten) int main_handled(struct __sk_buff *ctx) { bpf_throw(64); return 1; }
SEC("tc") int deep_default(struct __sk_buff *ctx) { return outer(5) + 1; }
SEC("tc") HANDLER(plus_ten) int deep_handled(struct __sk_buff *ctx) { return outer(5) + 1; }
SEC("tc") HANDLER(counted) int handler_calls(struct __sk_buff *ctx) { seen = 2; return outer(1); }
SEC("tc") int not_thrown(struct __sk_buff *ctx) { if (zero) bpf_throw(1); return 9; }
SEC("tc") HANDLER(plus_ten) int global_function(struct __sk_buff *ctx) { return wide(3); }
SEC("license") char LICENSE[] = "GPL";
"""
NAMES = ["main_default", "main_handled", "deep_default", "deep_handled", "handler_calls", "not_thrown",
         "global_function"]  # fmt: skip


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectSpec]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the oracle leaves closing vmlinux to the interpreter
        if ko.vmlinux_btf_id("bpf_throw") is None:
            pytest.skip("this kernel has no bpf_throw")
    folder: Path = tmp_path_factory.mktemp("throw")
    (folder / "throw.bpf.c").write_text(SOURCE)
    try:
        yield open_object(find_compiler().compile("throw.bpf.c", folder))
    except CompilerMissing as missing:
        pytest.skip(str(missing))


def in_kernel(spec: ObjectSpec, program: Program) -> int:
    maps = [ko.MapSpec(each.map_type, each.key_size, each.value_size, 1) for each in program.maps]
    with loaded_btf(spec.btf) as fd:
        infos = b"".join(struct.pack("<II", info.insn, info.type_id) for info in program.func_info)
        run = ko.test_run(encode(program.insns), program.prog_type, maps=maps, btf_fd=fd, func_info=infos, log_level=2)
    assert run.ok, f"errno {run.errno}: {run.log[-500:]}"
    return int(run.retval) & 0xFFFFFFFF


@pytest.mark.parametrize("name", NAMES)
def test_same_result(spec: ObjectSpec, name: str) -> None:
    program = linked(spec, name)
    wanted = in_kernel(spec, program)
    verified = verify(program, environment())
    for engine in ENGINES:
        memory = Memory(1 << 20)
        runtime = Runtime(memory, kernel_btf())
        values = [memory.alloc(each.value_size) for each in program.maps]
        for at, each in zip(values, program.maps, strict=True):
            memory.write(at, each.initial or b"")
        image = link_image(verified, values, values, abs)
        got = engine_class(engine)(memory, runtime).run(image, memory.alloc(256))
        assert got & 0xFFFFFFFF == wanted, engine
