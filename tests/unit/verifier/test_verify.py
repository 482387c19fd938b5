# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The verifier from outside: verdicts, rejections as values, logs, profiles; on the emulated kernel's BTF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.errors import Rejected, UsageError
from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import NAMES
from bpfvm.obj.model import LineInfo, MapSpec, Program, VerifiedProgram
from verifier import PROFILES, VerifierEnv, profile, verify
from verifier.steps.transfer import TRANSFER
from verifier.text.log import Log
from verifier.verify import check

ROOT = Path(__file__).resolve().parents[3]
HASH = MapSpec("h", "hash", 8, 16, 4)
LOOKUP = "*(u64 *)(r10 -8) = 0\nr2 = r10\nr2 += -8\nr1 = map[id:0]\ncall bpf_map_lookup_elem\n"


@lru_cache(1)
def emulated() -> Btf:
    return Btf.parse((ROOT / "thpmm/kernel/emulated.btf").read_bytes(), name="vmlinux")


class ThpOps:
    """bpf_thp_ops with its one callback."""

    name = "bpf_thp_ops"
    btf_struct_access = None

    @property
    def type_id(self) -> int:
        return emulated().find("bpf_thp_ops", t.Struct)

    def has_stub(self, member_idx: int) -> bool:
        return member_idx == 1

    def check_member(self, member_idx: int, program: Program) -> int:
        del member_idx
        return -22 if program.sleepable else 0

    def arg_info(self, member_idx: int) -> Mapping[int, str]:
        del member_idx
        return {}

    def by_id(self, btf_id: int) -> ThpOps | None:
        return self if btf_id == self.type_id else None


def program(text: str | tuple[Insn, ...], prog_type: str = "socket_filter", **more: object) -> Program:
    insns = asm(text) if isinstance(text, str) else text
    if prog_type == "struct_ops":
        more = {"attach_btf_id": ThpOps().type_id, "expected_attach_type": 1, **more}
    return Program("p", prog_type, insns, **more)  # type: ignore[arg-type]  # the tests name the fields


def run(p: Program, kernel: str = "6.18", log_level: int = 1) -> VerifiedProgram:
    return verify(p, VerifierEnv(emulated(), profile(kernel), ThpOps()), log_level=log_level)


def refused(p: Program, kernel: str = "6.18") -> Rejected:
    with pytest.raises(Rejected) as caught:
        run(p, kernel)
    return caught.value


def test_every_operation_has_an_abstract_function() -> None:
    assert set(TRANSFER) == NAMES


def test_accepted_program_tells_what_an_engine_needs() -> None:
    got = run(program("r0 = *(u64 *)(r1 +0)\nr0 = *(u64 *)(r0 +0)\n*(u64 *)(r10 -16) = r0\nr0 = 0\nexit", "struct_ops"))
    assert got.probe_mem == {1}
    assert got.stack_depths == (16,)
    assert got.stats["processed"] == 5
    assert got.log.startswith("processed 5 insns (limit 1000000)")


def test_rejection_has_message_errno_instruction_and_state() -> None:
    found, _ = check(program("r6 = 7\nr0 = r2\nexit"), VerifierEnv(emulated()), log_level=0)
    assert found is not None
    assert (found.message, found.errno, found.insn, found.unsupported) == ("R2 !read_ok", 13, 1, False)
    assert found.state is not None
    assert found.state.frames[0].regs[6].const_value() == 7


def test_level_1_shows_only_the_way_to_the_rejection() -> None:
    got = refused(program("r0 = 0\nr6 = *(u32 *)(r1 +0)\nif r6 == 5 goto x\nr0 = 1\nexit\nx:\nr0 = r9\nexit"))
    assert "goto pc+2" in got.log
    assert "r0 = 1" not in got.log
    assert got.log.splitlines()[-2] == "R9 !read_ok"


def test_source_lines_are_shown_once() -> None:
    lines = (LineInfo(0, "a/b/c.c", "\tint x = 1;", 3, 1), LineInfo(1, "a/b/c.c", "\treturn x;", 4, 1))
    got = run(program("r0 = 1\nr0 += 1\nexit", line_info=lines), log_level=2)
    assert got.log.count("; int x = 1; @ c.c:3\n") == 1
    assert got.log.count("; return x; @ c.c:4\n") == 1


def test_log_can_be_cut_back() -> None:
    log = Log(2)
    for text in ("abc", "def", "ghi"):
        log.write(text)
    log.reset(4)
    log.write("!")
    assert log.text() == "abcd!"
    assert log.pos == 5


@pytest.mark.parametrize(
    ("kernel", "message"),
    [("6.12", "program of this type cannot use helper bpf_get_current_comm#16"), ("6.18", "")],
)
def test_helpers_depend_on_the_kernel(kernel: str, message: str) -> None:
    p = program("r1 = r10\nr1 += -16\nr2 = 16\ncall bpf_get_current_comm\nr0 = 0\nexit", "struct_ops")
    if message:
        assert refused(p, kernel).message == message
    else:
        run(p, kernel)


def test_trust_of_vm_mm_depends_on_the_kernel() -> None:
    vm_mm = next(m for m in emulated().struct("vm_area_struct").members if m.name == "vm_mm").bit_offset >> 3
    p = program(f"r1 = *(u64 *)(r1 +0)\nr1 = *(u64 *)(r1 +{vm_mm})\nr1 += 8\nr0 = 0\nexit", "struct_ops")
    run(p)
    wanted = "R1 pointer arithmetic on trusted_ptr_or_null_ prohibited, null-check it first"
    assert refused(p, "6.18+mm-trust").message == wanted


@pytest.mark.parametrize(
    ("change", "message", "errno"),
    [
        ({"license": "Proprietary"}, "struct ops programs must have a GPL compatible license", 22),
        ({"attach_btf_id": 0}, "", 524),
        ({"attach_btf_id": 1}, "attach_btf_id 1 is not a supported struct", 524),
        ({"expected_attach_type": 9}, "attach to invalid member idx 9 of struct bpf_thp_ops", 22),
        ({"expected_attach_type": 0}, "attach to invalid member pid(@idx 0) of struct bpf_thp_ops", 22),
        ({"sleepable": True}, "attach to unsupported member thp_get_order of struct bpf_thp_ops", 22),
    ],
)
def test_attach_checks(change: dict[str, object], message: str, errno: int) -> None:
    got = refused(replace(program("r0 = r5\nexit", "struct_ops"), **change))  # type: ignore[arg-type]  # as above
    assert (got.message, got.errno) == (message, errno)


def test_attach_error_hides_instruction_errors_but_not_cfg_errors() -> None:
    assert (
        refused(program("r0 = 0\nexit\nr0 = 1", "struct_ops", license="X")).message == "last insn is not an exit or jmp"
    )
    assert refused(program("r0 = 0\nexit\nexit", "struct_ops", license="X")).message == "unreachable insn 2"


def test_struct_ops_map_in_code() -> None:
    got = refused(program("r1 = map[id:0]\nr0 = 0\nexit", maps=(MapSpec("s", "struct_ops", 4, 128, 1),)))
    assert got.message == "bpf_struct_ops map cannot be used in prog"


def test_an_extension_extends_something() -> None:
    found, _ = check(program("r0 = 0\nexit", "ext"), VerifierEnv(emulated()), log_level=0)
    assert found is not None
    assert found.message == "Tracing programs must provide btf_id"


def test_constants_from_frozen_maps() -> None:
    rodata = MapSpec(".rodata", "array", 4, 8, 1, 0x80, initial=b"\x05\0\0\0\xff\0\0\0", frozen=True)
    text = "r1 = map[id:0][0]+{off}\nr0 = *(u32 *)(r1 +0)\nif r0 == {want} goto x\nr0 = r9\nx:\nexit"
    run(program(text.format(off=0, want=5), maps=(rodata,)))
    run(program(text.format(off=4, want=255), maps=(rodata,)))
    assert refused(program(text.format(off=0, want=6), maps=(rodata,))).message == "R9 !read_ok"
    assert refused(program(text.format(off=0, want=5), maps=(replace(rodata, frozen=False),))).message == "R9 !read_ok"


def test_too_many_instructions() -> None:
    text = "r0 = 0\nr6 = *(u32 *)(r1 +0)\nl:\nr0 += 1\nif r0 < 2000000 goto l\nexit"
    env = VerifierEnv(emulated())
    found, run_ = check(program(text.replace("2000000", "300")), env, log_level=0)
    assert found is None
    assert run_.insn_processed == 603


def test_hostile_programs_never_raise_anything_else() -> None:
    for code in range(256):
        for regs in ((0, 0), (11, 3), (3, 15), (10, 10)):
            insn = Insn(code, regs[0], regs[1], -1, 0x7FFFFFFF)
            check(program((insn, Insn(0xB7), Insn(0x95))), VerifierEnv(emulated()), log_level=2)
    check(program(()), VerifierEnv(emulated()), log_level=2)


def test_profile_names() -> None:
    assert set(PROFILES) >= {"6.12", "6.18", "6.18+mm-trust"}
    with pytest.raises(UsageError, match=r"no kernel profile '5\.4'"):
        profile("5.4")


def test_null_checked_value_is_usable() -> None:
    body = LOOKUP + "if r0 == 0 goto o\nr1 = *(u64 *)(r0 +{off})\no:\nr0 = 0\nexit"
    run(program(body.format(off=8), maps=(HASH,)))
    got = refused(program(body.format(off=9), maps=(HASH,)))
    assert got.message == "R0 max value is outside of the allowed memory range" or "min value" in got.message
