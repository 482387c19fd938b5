# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`bpfvm conform`: our verifier, another one, the table, the exit codes, an interruption."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from bpfvm.conform.suite import PRIVILEGED, read_suite, shipped_suite
from tests.cli.conftest import Bpfvm

BPFVM = [sys.executable, "-c", "from bpfvm.cli.main import main; main()"]
STACK = ["conform", "--only", "^stack:", "--jobs", "1"]
WRONG = {
    case.name: case.failure for case in read_suite([str(shipped_suite() / "stack.bpf.o")]) if case.mode == PRIVILEGED
}
"""what is to be refused"""


def test_ours_agrees(bpfvm: Bpfvm) -> None:
    done = bpfvm(*STACK)
    assert done.code == 0
    assert " cases agree" in done.out and "disagreements" not in done.out


def test_a_verifier_that_accepts_everything(bpfvm: Bpfvm) -> None:
    done = bpfvm(*STACK, "--command", "true {object} {section}")
    assert done.code == 1
    assert "disagreements" in done.out
    assert "stack:too_deep" in done.out and "accepts what is to be refused" in done.out
    assert f"{sum(WRONG.values())} accepted that are to be refused" in done.out


def test_json(bpfvm: Bpfvm) -> None:
    done = bpfvm(*STACK, "--json", "--command", "false {object} {section}")
    found = done.json
    assert done.code == 1
    assert found["counts"]["disagree"] == len(WRONG) - sum(WRONG.values()) and found["counts"]["unsafe"] == 0
    wrong = next(each for each in found["cases"] if each["case"] == "stack:written_then_read")
    assert (wrong["expected"], wrong["answer"], wrong["state"]) == ("accept", "reject", "disagree")
    assert wrong["section"] == "socket" and wrong["program"] == "written_then_read"


def test_objects_and_folders(bpfvm: Bpfvm, tmp_path: Path) -> None:
    for name in ("stack", "packets"):
        shutil.copy(shipped_suite() / f"{name}.bpf.o", tmp_path)
    listed = json.loads(bpfvm("conform", "--suite", str(tmp_path), "--list", "--json").out)
    assert {Path(each["path"]).name for each in listed} == {"stack.bpf.o", "packets.bpf.o"}
    one = json.loads(bpfvm("conform", str(tmp_path / "stack.bpf.o"), "--list", "--json").out)
    assert {Path(each["path"]).name for each in one} == {"stack.bpf.o"}


def test_wrong_usage_and_bad_input(bpfvm: Bpfvm, tmp_path: Path) -> None:
    (tmp_path / "broken.o").write_bytes(b"\x7fELF")
    assert bpfvm("conform", "--only", "no such case").code == 2
    assert bpfvm("conform", "--only", "(").code == 2
    assert bpfvm("conform", "--messages").code == 2
    assert bpfvm("conform", "--command", "true").code == 2
    assert bpfvm("conform", "--command", "no-such-verifier {object} {section}").code == 2
    assert bpfvm("conform", "--suite", str(tmp_path / "nothing")).code == 3
    assert bpfvm("conform", str(tmp_path / "broken.o")).code == 3
    (tmp_path / "empty").mkdir()
    assert bpfvm("conform", "--suite", str(tmp_path / "empty")).code == 2


def test_an_interruption_leaves_nothing_running(tmp_path: Path) -> None:
    mark = tmp_path / "started"
    code = f'import os, time; open("{mark}", "a").write(str(os.getpid()) + "\\n"); time.sleep(60)'
    words = [*BPFVM, *STACK, "--command", f"{shlex.quote(sys.executable)} -c '{code}' {{object}} {{section}}"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not (mark.exists() and mark.read_text().endswith("\n")):
        assert time.monotonic() < deadline, "the command never started"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "interrupted" in err and "Traceback" not in err
    child = int(mark.read_text().split()[0])
    while os.path.exists(f"/proc/{child}"):
        assert time.monotonic() < deadline + 30, "the command is still running"
        time.sleep(0.05)
