# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The conformance plug-in: what it takes, what it gives, and what it doesn't import."""

from __future__ import annotations

import io
import struct
import subprocess
import sys

import pytest

from bpfvm import conformance_plugin
from bpfvm.isa.asm import asm
from bpfvm.isa.insn import encode

SUM = encode(asm("r0 = *(u8 *)(r1 +0)\nr3 = *(u8 *)(r1 +1)\nr0 += r3\nr0 <<= 8\nr0 += r2\nexit"))


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], program: str, *arguments: str
) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(program + "\nnot looked at"))
    return (conformance_plugin.main(list(arguments)), *capsys.readouterr())


def elf(code: bytes, relocated: bool = False) -> bytes:
    """An object file with nothing but a function `main` in `.text` (and a relocation of it)."""
    names = b"\0.text\0.shstrtab\0.symtab\0.rel.text\0main\0"
    symbols = bytes(24) + struct.pack("<IBBHQQ", names.index(b"main"), 0x12, 0, 1, 0, len(code))
    sections = [(1, 1, 6, code, 0, 0), (7, 3, 0, names, 0, 0), (17, 2, 0, symbols, 2, 24)]
    if relocated:
        sections.append((25, 9, 0, struct.pack("<QQ", 0, 1 << 32 | 1), 3, 16))
    body, headers = b"", [bytes(64)]
    for name, kind, flags, data, link, entry in sections:
        place, info = 64 + len(body), 1
        headers.append(struct.pack("<IIQQQQIIQQ", name, kind, flags, 0, place, len(data), link, info, 8, entry))
        body += data + bytes(-len(data) % 8)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = ident + struct.pack("<HHIQQQIHHHHHH", 1, 247, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, len(headers), 2)
    return head + body + b"".join(headers)


@pytest.mark.parametrize("engine", ["interp", "fast", "auto"])
def test_memory_and_program(engine: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown = run(monkeypatch, capsys, SUM.hex(" "), "10 02 03", "--engine", engine)
    assert shown == (0, "1203\n", "")
    assert run(monkeypatch, capsys, SUM.hex(), "1002", f"--engine={engine}") == (0, "1202\n", "")


def test_without_memory(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    program = encode(asm("r0 = r1\nr0 |= r2\nr0 += -1\nexit"))
    assert run(monkeypatch, capsys, program.hex()) == (0, "ffffffffffffffff\n", "")


def test_object_file(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, capsys, elf(SUM).hex(" "), "01 02", "--elf") == (0, "302\n", "")
    code, _, error = run(monkeypatch, capsys, elf(SUM, relocated=True).hex(), "--elf")
    assert code == 3 and ".text: relocations need a kernel around" in error
    code, _, error = run(monkeypatch, capsys, elf(b"").hex(), "--elf")
    assert code == 3 and "no section with instructions" in error


def test_helpers_are_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    program = encode(asm("call bpf_get_smp_processor_id\nr0 += 5\nexit"))
    assert run(monkeypatch, capsys, program.hex()) == (0, "5\n", "")


@pytest.mark.parametrize(
    ("program", "arguments", "code", "text"),
    [
        ("zz", (), 3, "the program is not a row of hexadecimal digits"),
        ("95", (), 3, "8"),
        (SUM.hex(), ("0x",), 3, "the memory is not a row"),
        (SUM.hex(), ("00", "11"), 2, "argument `11`; usage"),
        (SUM.hex(), ("--engine", "slow"), 2, "engine `slow`"),
        (SUM.hex(), (), 4, "NULL pointer dereference"),
        ("00", ("--elf",), 3, ""),
    ],
)
def test_refusals(
    program: str,
    arguments: tuple[str, ...],
    code: int,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended, out, error = run(monkeypatch, capsys, program, *arguments)
    assert (ended, out) == (code, "") and text in error and error


def test_the_process() -> None:
    command = [sys.executable, "-m", "bpfvm.conformance_plugin"]
    done = subprocess.run([*command, "01 02 "], input=SUM.hex(" ") + "\n", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "302\n", "")
    done = subprocess.run([*command, "--what"], input="", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "") and "argument `--what`" in done.stderr


def test_the_interpreter_starts_with_little() -> None:
    """Imports are what starting costs."""
    script = (
        "import sys\nbefore = set(sys.modules)\nimport bpfvm.conformance_plugin as p\n"
        f"print(p.result('0102', '{SUM.hex()}', elf=False, engine='interp'))\n"
        "print(sorted({'argparse', 'click', 'ctypes', 'dataclasses', 'elftools', 'enum', 'inspect', 'llvmlite', "
        "'pathlib', 're', 'rich', 'typing', 'verifier', 'bpfvm.btf', 'bpfvm.engine.fast', 'bpfvm.obj.model', "
        "'bpfvm.runtime'} & set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == [str(0x302), "[]"]
