# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Running the command line inside the test, and comparing what it prints with committed text files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bpfvm.cli.main import run
from bpfvm.paths import built_objects

SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = "BPFVM_UPDATE_SNAPSHOTS"
"""environment variable: set it to 1 to write the snapshots anew, then read the diff"""


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def error_line(self) -> str:
        """Standard error of a command that failed cleanly: one line, no traceback, nothing on standard output."""
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("bpfvm: ")
        return self.err.removeprefix("bpfvm: ").rstrip("\n")


Bpfvm = Callable[..., Outcome]


@pytest.fixture
def bpfvm(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bpfvm:
    """Run ``bpfvm ARGS…`` as in a pipe: no terminal, whatever the one of the test run is like."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        code = run([str(each) for each in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def snapshot() -> Callable[[str, str], None]:
    """Compare a text with ``snapshots/NAME``; what varies is written ``$BUILT`` (the folder of the shipped objects)
    and ``$ADDRESS`` (where something lies in emulated memory)."""

    def compare(name: str, text: str) -> None:
        path = SNAPSHOTS / name
        text = re.sub("0xffff8[0-9a-f]{11}", "$ADDRESS", text.replace(str(built_objects()), "$BUILT"))
        if os.environ.get(UPDATE):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"no snapshot {path}: run once with {UPDATE}=1 and read it"
        assert text == path.read_text()

    return compare
