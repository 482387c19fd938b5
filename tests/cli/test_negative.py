# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every program of bpf_progs/negative is refused with the errno and the texts that its expectations name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bpfvm.errors import BadInput, BpfvmError, Rejected, SyscallError, errno_name
from bpfvm.obj.link import link_program
from bpfvm.obj.open import open_object
from bpfvm.paths import built_objects
from bpfvm.session import Session
from tests.cli.conftest import Bpfvm

ROOT = Path(__file__).resolve().parents[2]
CASES: list[dict[str, Any]] = yaml.safe_load((ROOT / "bpf_progs/negative/expect.yaml").read_text())
LOAD = [case for case in CASES if case["stage"] == "load" and "member" not in case]
MEMBER = [case for case in CASES if "member" in case]
POPULATE = [case for case in CASES if case["stage"] == "populate"]
OPEN = [case for case in CASES if case["stage"] == "open"]
ACCEPTED = [(case["object"], profile) for case in CASES for profile in case.get("accepted_by", ())]


def _name(case: dict[str, Any]) -> str:
    return "-".join(str(case[key]) for key in ("object", "profile", "member") if key in case)


def _check(case: dict[str, Any], error: BpfvmError) -> None:
    assert isinstance(error, (Rejected, SyscallError))
    assert errno_name(error.errno) == case["errno"]
    log = f"{error.message}\n{error.log}" if isinstance(error, Rejected) else error.message
    for text in case.get("log", ()):
        assert text in log


@pytest.mark.parametrize("case", LOAD, ids=_name)
def test_load(case: dict[str, Any]) -> None:
    with Session(kernel=case["profile"]) as session, pytest.raises(Rejected) as refused:
        session.load(built_objects() / case["object"])
    _check(case, refused.value)


@pytest.mark.parametrize("case", LOAD, ids=_name)
def test_prog_verify(bpfvm: Bpfvm, case: dict[str, Any]) -> None:
    done = bpfvm("prog", "verify", case["object"], "--kernel", case["profile"])
    assert done.code == 1
    for text in case["log"]:
        assert text in done.out
    assert f" {case['errno']}: " in done.out


@pytest.mark.parametrize(("name", "profile"), ACCEPTED)
def test_another_profile_accepts_it(bpfvm: Bpfvm, name: str, profile: str) -> None:
    done = bpfvm("prog", "verify", name, "--kernel", profile, "-j")
    assert done.code == 0
    assert [each["verdict"] for each in done.json] == ["accepted"]


@pytest.mark.parametrize("case", MEMBER, ids=_name)
def test_wrong_member(case: dict[str, Any]) -> None:
    import verifier

    spec = open_object(built_objects() / case["object"])
    with Session(kernel=case["profile"]) as session:
        thp_ops = session.kernel.registry.by_name("bpf_thp_ops")
        assert thp_ops is not None
        program = link_program(
            spec,
            next(iter(spec.programs)),
            session.btf,
            attach_btf_id=thp_ops.type_id,
            expected_attach_type=case["member"],
        )
        env = verifier.VerifierEnv(kernel_btf=session.btf, profile=session.profile, struct_ops=session.kernel.registry)
        with pytest.raises(Rejected) as refused:
            verifier.verify(program, env)
    _check(case, refused.value)


@pytest.mark.parametrize("case", POPULATE, ids=_name)
def test_populate(bpfvm: Bpfvm, case: dict[str, Any]) -> None:
    with Session(kernel=case["profile"]) as session:
        loaded = session.load(built_objects() / case["object"])
        with pytest.raises(SyscallError) as refused:
            loaded.populate(next(iter(loaded.struct_ops)))
        console = "\n".join(session.console)
    _check(case, refused.value)
    for text in case.get("console", ()):
        assert text in console
    done = bpfvm("struct_ops", "dump", case["object"])
    assert (done.code, done.out) == (1, "")
    assert case["errno"] in done.err
    for text in case.get("console", ()):
        assert text in done.err


@pytest.mark.parametrize("case", OPEN, ids=_name)
def test_open(bpfvm: Bpfvm, case: dict[str, Any]) -> None:
    with Session(kernel=case["profile"]) as session, pytest.raises((BadInput, SyscallError)) as refused:
        session.load(built_objects() / case["object"])
    for text in case["log"]:
        assert text in str(refused.value)
    done = bpfvm("prog", "verify", case["object"])
    assert done.code == refused.value.exit_code
    for text in case["log"]:
        assert text in done.error_line()
