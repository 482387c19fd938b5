# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The build: same bytes everywhere, committed bytes up to date, clear words when there is no compiler."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bpf_progs import build as builder
from bpf_progs.btf_prune import prune
from bpf_progs.compiler import CompileError, Compiler, CompilerMissing, find_compiler
from bpf_progs.elf_strip import read_section, strip_debug
from bpfvm.btf import Btf
from bpfvm.btf import types as t

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    pytest.importorskip("ziglang", reason="needs the ziglang package (pip install 'bpfvm[cc]')")
    return find_compiler()


@pytest.fixture
def compiled_by_the_same(compiler: Compiler) -> Compiler:
    made_by = (ROOT / builder.COMPILER_FILE).read_text().strip()
    if made_by != compiler.version:
        pytest.skip(f"the committed objects were made by {made_by!r}, this is {compiler.version!r}")
    return compiler


@pytest.mark.parametrize("target", ["kernel-btf", "programs", "suite"])
def test_committed_files_are_what_their_sources_give(target: str, compiled_by_the_same: Compiler) -> None:
    assert builder.check(target, compiled_by_the_same) == []


def test_another_folder_gives_the_same_bytes(compiler: Compiler, tmp_path: Path) -> None:
    moved = tmp_path / "somewhere else" / "deeper"
    for folder in ("thpmm/kernel", *(f"bpf_progs/{sub}" for sub in ("lib", "policies", "negative", "verifier"))):
        shutil.copytree(ROOT / folder, moved / folder)
    for make in (builder.kernel_btfs, builder.programs, builder.suite):
        here, there = dict(make(compiler)), dict(make(compiler, moved))
        assert here == there
        assert not [name for name, data in there.items() if str(tmp_path).encode() in data]


def test_check_names_what_is_stale_and_build_mends_it(compiler: Compiler, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "thpmm/kernel", tmp_path / "thpmm/kernel")
    stale = tmp_path / "thpmm/kernel/emulated.btf"
    stale.write_bytes(b"old")
    assert builder.check("kernel-btf", compiler, tmp_path) == ["thpmm/kernel/emulated.btf"]
    assert builder.build("kernel-btf", compiler, tmp_path) == ["thpmm/kernel/emulated.btf"]
    assert stale.read_bytes() == (ROOT / "thpmm/kernel/emulated.btf").read_bytes()


def test_a_source_that_does_not_compile_is_named(compiler: Compiler, tmp_path: Path) -> None:
    (tmp_path / "wrong.bpf.c").write_text("int f(void) { return nothing; }\n")
    with pytest.raises(CompileError, match=r"(?s)wrong\.bpf\.c.*nothing"):
        compiler.compile("wrong.bpf.c", tmp_path)


def test_without_a_compiler_the_next_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC_BPF", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CompilerMissing, match=r"pip install 'bpfvm\[cc\]'"):
        find_compiler()


def test_a_chosen_compiler_that_does_not_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CC_BPF", "/nonexistent/clang")
    assert builder.main(["kernel-btf"]) == 2
    assert "/nonexistent/clang" in capsys.readouterr().err


def test_unknown_targets_are_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        builder.main(["kernal-btf"])
    assert stop.value.code == 2
    assert "unknown target 'kernal-btf'; known: kernel-btf" in capsys.readouterr().err


def test_prune_drops_holes_and_what_only_they_need(compiler: Compiler, tmp_path: Path) -> None:
    (tmp_path / "t.c").write_text(
        "struct unused { int x; };\n"
        "struct s { char __hole_0[8]; long kept; struct unused *__hole_16; };\n"
        "struct s __root_s; struct unused other;\n"
        "int func(struct s *arg) { return 0; }\n"
    )
    btf = Btf.parse(prune(read_section(compiler.compile("t.c", tmp_path), ".BTF")))
    struct = btf.type(btf.find("s", t.Struct))
    assert isinstance(struct, t.Struct)
    assert [(m.name, m.bit_offset) for m in struct.members] == [("kept", 64)]
    assert struct.size == 24
    assert not btf.find("unused", t.Struct)
    assert not [i for i in btf.ids() if isinstance(btf.type(i), t.Var | t.Array | t.Datasec)]
    assert btf.find("func", t.Func)


@pytest.mark.parametrize("junk", [b"\x9f\xeb\x02" + bytes(21), b"\x7fELF" + bytes(60)])
def test_prune_refuses_what_is_not_btf(junk: bytes) -> None:
    with pytest.raises(ValueError, match="not little-endian BTF"):
        prune(junk)


def test_strip_refuses_what_is_not_an_object() -> None:
    with pytest.raises(ValueError, match="not a little-endian ELF64"):
        strip_debug(bytes(64))


def test_strip_keeps_what_a_loader_reads(compiler: Compiler) -> None:
    folder = ROOT / "bpf_progs"
    full = compiler.compile("policies/whitelist.bpf.c", folder, include=("lib",))
    small = strip_debug(full)
    assert len(small) < len(full) * 0.6
    for name in ("struct_ops/thp_get_order", ".struct_ops.link", ".maps", "license", ".BTF", ".BTF.ext"):
        assert read_section(small, name) == read_section(full, name)
    with pytest.raises(KeyError):
        read_section(small, ".debug_info")
