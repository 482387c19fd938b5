# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The README's first policy: its C compiles, its object verifies, its test passes, word for word."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bpfvm.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks() -> list[tuple[str, str]]:
    """(language, body) of every fenced block, in order."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", README, re.S | re.M)


def block(language: str, containing: str) -> str:
    """The fenced block of the README that contains a text."""
    found = [body for name, body in blocks() if name == language and containing in body]
    assert len(found) == 1, f"{len(found)} {language or 'plain'} blocks with {containing!r}"
    return found[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with first.bpf.c, compiled as the README says."""
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("the ziglang wheel is not installed: pip install 'bpfvm[cc]'")
    place = tmp_path_factory.mktemp("readme")
    (place / "first.bpf.c").write_text(block("c", "my_policy"))
    command = next(line for line in block("sh", "ziglang cc").splitlines() if "ziglang cc" in line)
    arguments = [str(ROOT / word) if word == "bpf_progs/lib" else word for word in command.split()[1:]]
    subprocess.run([sys.executable, *arguments], cwd=place, check=True)
    return place


def test_the_object_verifies_and_its_life_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prog", "verify", str(folder / "first.bpf.o")]) == 0
    assert run(["thp", "run", str(folder / "first.bpf.o"), "--sysfs", "hugepages-64kB=always"]) == 0
    assert "PAGEFAULT {0–8}: my_policy says 4 → {4}" in capsys.readouterr().out


def test_the_test_passes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    exec(compile(block("python", "def test_"), "test_first.py", "exec"), names)
    test = names["test_only_advised_memory_gets_huge_pages"]
    assert callable(test)
    test()


def test_the_refusal_shown_is_the_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    shown = block("", "prog verify n05_write_vma").splitlines()[1:]
    assert run(["prog", "verify", "n05_write_vma.bpf.o"]) == 1
    assert "\n".join(shown) in capsys.readouterr().out


def test_the_run_shown_is_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    policy = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("POLICY"))
    assert run(["thp", "run", *policy.partition("?=")[2].split()]) == 0
    out = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    for line in block("", "spawn a ").splitlines():
        assert line.rstrip() in out
