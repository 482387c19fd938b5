# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""On a terminal there are colours, unless NO_COLOR says otherwise; in a pipe never, and nothing is wrapped there."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "from bpfvm.cli.main import main; main()"]
COLOUR = b"\x1b[36m"


def _environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return kept | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"} | more


def _on_terminal(*arguments: str, columns: int = 80, **environment: str) -> bytes:
    """What a command writes to a terminal of this width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    command = [*COMMAND, *arguments]
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env=_environment(**environment)
    ) as done:
        os.close(slave)
        written = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # how Linux says that the other side of a terminal is closed
                break
            if not part:
                break
            written += part
    os.close(master)
    assert done.returncode == 0
    return written


def test_colours_on_a_terminal() -> None:
    assert COLOUR in _on_terminal("prog", "dump", "two_orders.bpf.o")


def test_no_color_is_respected() -> None:
    assert COLOUR not in _on_terminal("prog", "dump", "two_orders.bpf.o", NO_COLOR="1")


def test_a_table_fits_the_terminal() -> None:
    lines = _on_terminal("prog", "list", "two_orders.bpf.o", columns=72, NO_COLOR="1").decode().splitlines()
    plain = [line.replace("\x1b[1m", "").replace("\x1b[0m", "") for line in lines]
    assert max(len(line) for line in plain) <= 72


def test_a_pipe_has_no_colours_and_no_width() -> None:
    command = [*COMMAND, "prog", "list", "two_orders.bpf.o"]
    narrow = subprocess.run(command, capture_output=True, cwd=ROOT, env=_environment(COLUMNS="20"), check=True)
    wide = subprocess.run(command, capture_output=True, cwd=ROOT, env=_environment(), check=True)
    assert narrow.stdout == wide.stdout
    assert b"\x1b" not in narrow.stdout


def test_an_encoding_without_our_characters_is_no_reason_to_fail() -> None:
    command = [*COMMAND, "struct_ops", "list", "two_orders.bpf.o"]
    environment = _environment(PYTHONIOENCODING="ascii")
    done = subprocess.run(command, capture_output=True, cwd=ROOT, env=environment, check=True)
    assert done.stderr == b""
    assert b"pol_a" in done.stdout
