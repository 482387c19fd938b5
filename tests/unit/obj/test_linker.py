# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Static linking: what the result has, that it verifies and runs, and which contradictions are refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bpfvm.btf.check import validate
from bpfvm.elf import read_elf
from bpfvm.errors import BadInput, UsageError
from bpfvm.obj.edit import get_global
from bpfvm.obj.linker import link_files
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.open import open_object
from bpfvm.session import Session
from tests.unit.obj.bpf_cc import compile_c

TAIL = 'char LICENSE[] SEC("license") = "GPL";'
MAPS = "{ __uint(type, 2); __uint(max_entries, 4); __type(key, u32); __type(value, struct item); }"
ONE = f"""
struct item {{ u64 a; struct item *next; }};
extern int shared; extern int twice(int x); extern struct {MAPS} table SEC(".maps");
extern _Bool CONFIG_A __kconfig __weak; extern int LINUX_KERNEL_VERSION __kconfig;
static volatile int own = 11; __weak int choice(int x) {{ return x + 1; }}
static __noinline int helper(int x) {{ return x * own; }}
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
SEC("tc") int first(void *ctx) {{ u32 key = 0; struct item *item = bpf_map_lookup_elem(&table, &key);
    return helper(2) + twice(3) + choice(100) + shared + (item ? 1 : 0) + CONFIG_A; }}
{TAIL}"""
TWO = f"""
struct item {{ u64 a; struct item *next; }};
struct {MAPS} table SEC(".maps"); int shared = 1000; static volatile int own = 7;
extern _Bool CONFIG_A __kconfig __weak;
static __noinline int helper(int x) {{ return x + own; }}
int choice(int x) {{ return x + 20000; }} __noinline int twice(int x) {{ return helper(x) * 2; }}
SEC("tc") int second(void *ctx) {{ return helper(5) + CONFIG_A; }}
{TAIL}"""


def link(tmp_path: Path, *sources: str) -> Path:
    out = tmp_path / "linked.bpf.o"
    out.write_bytes(link_files([compile_c(source) for source in sources]))
    return out


def returned(spec: ObjectSpec, prog: str) -> int:
    with Session() as session:
        return session.run(session.load(spec), prog)


@pytest.mark.parametrize("order", [(ONE, TWO), (TWO, ONE)])
def test_two_become_one(tmp_path: Path, order: tuple[str, str]) -> None:
    spec = open_object(link(tmp_path, *order))
    assert set(spec.programs) == {"first", "second"}
    assert {each.name for each in spec.maps.values() if each.section == ".maps"} == {"table"}
    assert set(spec.kconfig) == {"CONFIG_A", "LINUX_KERNEL_VERSION"} & set(spec.kconfig) and "CONFIG_A" in spec.kconfig
    assert get_global(spec, "shared") == 1000
    assert sorted(each.name for each in spec.subprogs.values()).count("helper") == 2
    assert returned(spec, "first") == 2 * 11 + (3 + 7) * 2 + 20100 + 1000 + 1
    assert returned(spec, "second") == 5 + 7


def test_types_that_say_the_same_are_one(tmp_path: Path) -> None:
    spec = open_object(link(tmp_path, ONE, TWO))
    assert spec.btf is not None
    for name in ("item", "int"):
        assert len(list(spec.btf.find_all(name))) == 1
    assert len(list(spec.btf.find_all("own"))) == 2


def test_the_kernel_would_take_the_types(tmp_path: Path) -> None:
    plain = "struct item {{ struct item *next; }}; struct item {0}; {1} int f_{0}(struct item *i) {{ return 0; }}"
    spec = open_object(link(tmp_path, plain.format("a", "__weak"), plain.format("b", "static __attribute__((used))")))
    assert spec.btf is not None
    validate(spec.btf)


def test_one_alone_stays_what_it_is(tmp_path: Path) -> None:
    before, after = open_object(compile_c(TWO), name="x"), open_object(link(tmp_path, TWO), name="x")
    assert after.programs.keys() == before.programs.keys() and after.maps.keys() == before.maps.keys()
    assert after.programs["second"].insns == before.programs["second"].insns
    assert after.programs["second"].line_info == before.programs["second"].line_info


def test_what_stays_open_can_be_linked_later(tmp_path: Path) -> None:
    part = link(tmp_path, ONE)
    with pytest.raises(BadInput, match="extern"):
        open_object(part)
    whole = tmp_path / "whole.bpf.o"
    whole.write_bytes(link_files([part, compile_c(TWO)]))
    assert returned(open_object(whole), "second") == 12


def test_core_relocations_and_hidden_functions_survive(tmp_path: Path) -> None:
    use = f"""struct task_struct {{ int pid; }} PAI; extern __hidden int pid_of(struct task_struct *task);
    SEC("raw_tp/x") int prog(u64 *ctx) {{ return pid_of((void *)ctx[0]); }} {TAIL}"""
    define = f"""struct task_struct {{ int pid; }} PAI;
    __hidden __noinline int pid_of(struct task_struct *task) {{ return __builtin_preserve_field_info(task->pid, 0); }}
    {TAIL}"""
    spec = open_object(link(tmp_path, use, define))
    (sub,) = spec.subprogs.values()
    assert [each.access for each in sub.core_relos] == ["0:0"]
    assert spec.btf is not None
    assert spec.btf.type(sub.func_type_id).linkage == 0  # type: ignore[union-attr]  # a FUNC has one


@pytest.mark.parametrize(
    ("one", "two", "text"),
    [
        ("int x = 1;", "int x = 2;", r"conflicting non-weak symbol #\d+ \(x\) definition in"),
        ("int f(void) { return 1; }", "int f(void) { return 2; }", r"conflicting non-weak symbol #\d+ \(f\)"),
        (
            "int x = 1;",
            'extern long x; SEC("tc") int p(void *c) { return x; }',
            "incompatible INT 'int' size 4 and 8|size",
        ),
        (
            "int f(int a) { return a; }",
            'extern int f(int a, int b); SEC("tc") int p(void *c) { return f(1, 2); }',
            "incompatible number of FUNC_PROTO params 1 and 2",
        ),
        (
            'struct { __uint(type, 2); __uint(max_entries, 1); __type(key, u32); __type(value, u32); } m SEC(".maps");',
            "extern struct { __uint(type, 2); __uint(max_entries, 2); __type(key, u32); __type(value, u32); } m "
            'SEC(".maps"); SEC("tc") int p(void *c) { return ((long (*)(void *, void *))1)(&m, c); }',
            "global 'm': map max_entries mismatch",
        ),
        (
            'char l[] SEC("license") = "GPL";',
            'char l[] SEC("license") = "MIT";',
            "non-identical contents of section 'license'",
        ),
        ('int a SEC(".data.x") = 1;', 'const int b SEC(".data.x") = 1;', r"sec \.data\.x flags mismatch"),
    ],
)
def test_contradictions(one: str, two: str, text: str) -> None:
    paths = [compile_c(one), compile_c(two)]
    with pytest.raises(BadInput, match=text) as caught:
        link_files(paths)
    assert str(paths[1]) in str(caught.value)


def test_nothing_to_link() -> None:
    with pytest.raises(UsageError, match="at least one"):
        link_files([])


def test_as_bpftool(tmp_path: Path) -> None:
    tool = shutil.which("bpftool") or shutil.which("bpftool", path="/usr/sbin")
    if tool is None:
        pytest.skip("bpftool is not installed")
    ours, theirs = tmp_path / "ours.bpf.o", tmp_path / "theirs.bpf.o"
    flags = ("-O2", "-mcpu=v3", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables")
    inputs = [str(compile_c(TWO, *flags)), str(compile_c(ONE, *flags))]
    ours.write_bytes(link_files(inputs))
    subprocess.run([tool, "gen", "object", str(theirs), *inputs], check=True)

    def facts(path: Path) -> tuple[set[tuple[str, int, int, int]], dict[str, tuple[int, bytes]]]:
        elf = read_elf(path.read_bytes(), str(path))
        symbols = {(s.name, s.size, s.type, s.bind) for s in elf.symbols if s.bind and s.name}
        held = {s.name: (s.size, bytes(s.data)) for s in elf.sections if s.kind == "PROGBITS" and s.name[:4] != ".BTF"}
        return symbols, {name: each for name, each in held.items() if each[0]}

    assert facts(ours) == facts(theirs)
    one, other = open_object(ours, name="x"), open_object(theirs, name="x")
    assert one.programs.keys() == other.programs.keys() and one.maps.keys() == other.maps.keys()
    for name in one.programs:
        assert one.programs[name].insns == other.programs[name].insns
        assert one.programs[name].line_info == other.programs[name].line_info
