# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Capability tiers. The tier without CAP_PERFMON is compared with a running kernel in tests/differential; here is what
such a kernel doesn't do any more or doesn't let be tried: 6.12's refusals, and loads without CAP_BPF."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bpfvm.errors import UsageError
from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn
from bpfvm.obj.model import MapSpec, Program
from tests.struct_ops.btf_builder import BtfBuilder  # the smallest kernel BTF there is
from verifier import ALL_CAPS, NO_CAPS, PROFILES, Capabilities, Rejection, VerifierEnv, check, parse_caps
from verifier.capabilities import BPF_F_ZERO_SEED, missing_for_map
from verifier.env import Env

BPF_ONLY = Capabilities(perfmon=False)
ARRAY = MapSpec("values", "array", 4, 16, 4)
VALUE = """
r9 = r1
*(u32 *)(r10 -4) = 0
r2 = r10
r2 += -4
r1 = map[id:0]
call bpf_map_lookup_elem
if r0 != 0 goto found
r0 = 0
exit
found:
"""


def run(
    text: str | tuple[Insn, ...],
    caps: Capabilities,
    kernel: str = "6.18",
    prog_type: str = "socket_filter",
    map_type: str = "array",
    level: int = 0,
) -> tuple[Rejection | None, Env]:
    insns = asm(text.replace(" / ", "\n")) if isinstance(text, str) else text
    uses = isinstance(text, str) and "map[" in text
    program = Program("test", prog_type, tuple(insns), maps=(replace(ARRAY, map_type=map_type),) if uses else ())
    return check(program, VerifierEnv(BtfBuilder().build(), PROFILES[kernel], caps=caps), log_level=level)


def message(*args: object, **kwargs: object) -> str:
    """The refusal's message; "" if there is none."""
    rejection, _ = run(*args, **kwargs)  # type: ignore[arg-type]
    return rejection.message if rejection is not None else ""


@pytest.mark.parametrize(
    ("text", "caps"),
    [
        ("all", ALL_CAPS),
        ("", NO_CAPS),
        ("bpf", Capabilities(perfmon=False, net_admin=False)),
        ("CAP_BPF, CAP_NET_ADMIN", BPF_ONLY),
        ("perfmon,sys_admin", ALL_CAPS),
    ],
)
def test_names(text: str, caps: Capabilities) -> None:
    assert parse_caps(text) == caps


def test_a_capability_nobody_asks_about() -> None:
    with pytest.raises(UsageError, match=r"no capability .chown.*bpf, perfmon, net_admin, sys_admin"):
        parse_caps("bpf,chown")


@pytest.mark.parametrize(
    ("prog_type", "caps", "missing"),
    [
        ("socket_filter", NO_CAPS, ""),
        ("cgroup_skb", NO_CAPS, ""),
        ("xdp", NO_CAPS, "a program of type xdp needs CAP_BPF"),
        ("xdp", parse_caps("bpf,perfmon"), "a program of type xdp needs CAP_NET_ADMIN"),
        ("xdp", BPF_ONLY, ""),
        ("kprobe", BPF_ONLY, "a program of type kprobe needs CAP_PERFMON"),
        ("sk_reuseport", parse_caps("bpf"), ""),
    ],
)
def test_program_types(prog_type: str, caps: Capabilities, missing: str) -> None:
    rejection, found = run("r0 = 1 / exit", caps, prog_type=prog_type)
    if rejection is not None and not missing:
        assert rejection.message != ""  # a verdict about the program
        assert "needs CAP" not in rejection.message
    else:
        assert (rejection.message if rejection else "") == missing
        assert not missing or (rejection is not None and rejection.errno == 1 and found.log.text() == "")


def test_maps() -> None:
    text = "r1 = map[id:0] / r0 = 0 / exit"
    assert message(text, NO_CAPS) == ""
    assert message(text, NO_CAPS, map_type="lru_hash") == "a map of type lru_hash needs CAP_BPF"
    assert message(text, parse_caps("bpf"), map_type="sockmap") == "a map of type sockmap needs CAP_NET_ADMIN"


def test_a_hash_table_without_a_random_seed_is_for_root() -> None:
    assert missing_for_map(BPF_ONLY, "hash", BPF_F_ZERO_SEED) == "CAP_SYS_ADMIN"
    assert missing_for_map(replace(ALL_CAPS, mitigations=False), "hash", BPF_F_ZERO_SEED) == ""


def test_size() -> None:
    long = (*[Insn(0xB7)] * 4096, Insn(0x95))
    rejection, _ = run(long, NO_CAPS)
    assert rejection is not None
    assert rejection.errno == 7
    assert message(long[1:], NO_CAPS) == ""
    assert message(long, BPF_ONLY) == ""


@pytest.mark.parametrize("kernel", ["6.12", "6.18"])
@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("r0 = 0 / l: / r0 += 1 / if r0 < 4 goto l / exit", "back-edge from insn 2 to 1"),
        (
            "call f / exit / f: / r0 = 0 / exit",
            "loading/calling other bpf or kernel functions are allowed for CAP_BPF and CAP_SYS_ADMIN",
        ),
        ("call bpf_jiffies64 / r0 = 0 / exit", "program of this type cannot use helper bpf_jiffies64#118"),
        ("call bpf_get_current_task / r0 = 0 / exit", "program of this type cannot use helper bpf_get_current_task#35"),
        ("r0 = r10 / exit", "R0 leaks addr as return value"),
        ("r0 = *(u64 *)(r10 -8) / exit", "invalid read from stack R10 off=-8 size=8"),
    ],
)
def test_refused_without_any_capability(text: str, refusal: str, kernel: str) -> None:
    assert message(text, NO_CAPS, kernel) == refusal


@pytest.mark.parametrize("text", ["r0 = 0 / l: / r0 += 1 / if r0 < 4 goto l / exit", "r0 = *(u64 *)(r10 -8) / exit"])
def test_the_same_with_all_of_them(text: str) -> None:
    assert message(text, ALL_CAPS) == ""


def test_every_number_is_precise_without_cap_bpf() -> None:
    _, found = run("r0 = 3 / exit", NO_CAPS, level=2)
    assert "R0=P3" in found.log.text()
    _, found = run("r0 = 3 / exit", BPF_ONLY, level=2)
    assert "R0=3" in found.log.text()


def test_numbers_are_not_followed_through_the_stack_without_cap_bpf() -> None:
    text = VALUE + "r1 = 4\n*(u64 *)(r10 -16) = r1\nr1 = *(u64 *)(r10 -16)\nr0 += r1\nr0 = *(u8 *)(r0 +0)\nexit"
    assert message(text, BPF_ONLY) == ""
    unbounded = "math between map_value pointer and register with unbounded min value is not allowed"
    assert message(text, NO_CAPS) == unbounded


LINKED = (
    VALUE + "r1 = *(u32 *)(r9 +0)\nr2 = r1\n{}\nif r1 > 7 goto out\nr0 += r2\nr0 = *(u8 *)(r0 +0)\nout:\nr0 = 0\nexit"
)


def test_sums_are_not_linked_to_what_they_were_made_of_without_cap_bpf() -> None:
    text = LINKED.format("r2 += 1")
    assert message(text, replace(NO_CAPS, bpf=True)) == message(text, ALL_CAPS) == ""
    assert message(text, NO_CAPS) == "R0 pointer arithmetic of map value goes out of range, prohibited for !root"


@pytest.mark.parametrize(
    ("change", "known"), [("r2 += 1", ("6.12", "6.18")), ("w2 += 1", ("6.18",)), ("r2 -= -1", ("6.18",))]
)
def test_what_is_linked(change: str, known: tuple[str, ...]) -> None:
    refused = [kernel for kernel in ("6.12", "6.18") if message(LINKED.format(change), ALL_CAPS, kernel)]
    assert refused == [kernel for kernel in ("6.12", "6.18") if kernel not in known]


DEAD_LEAK = "r0 = 0 / if r0 == 0 goto l / r0 = r1 / exit / l: / exit"


@pytest.mark.parametrize("caps", [NO_CAPS, BPF_ONLY], ids=["none", "bpf"])
def test_what_speculation_may_not_do_gets_a_barrier(caps: Capabilities) -> None:
    rejection, found = run(DEAD_LEAK, caps)
    assert rejection is None
    assert [i for i in range(len(found.insns)) if found.nospec[i]] == [3]


def test_up_to_6_12_it_is_refused() -> None:
    assert message(DEAD_LEAK, NO_CAPS, "6.12") == "R0 leaks addr as return value"
    assert message(DEAD_LEAK, ALL_CAPS, "6.12") == ""


def test_no_speculation_on_a_cpu_without_it() -> None:
    rejection, found = run(DEAD_LEAK, replace(NO_CAPS, mitigations=False), "6.12")
    assert rejection is None
    assert found.insn_processed == 3


MIX = VALUE + "r1 = *(u32 *)(r9 +0)\nr1 &= 7\nif r1 == 3 goto l\nr0 += 8\nl:\nr0 += r1\nr0 = 0\nexit"


@pytest.mark.parametrize("kernel", ["6.12", "6.18"])
def test_one_limit_for_one_instruction(kernel: str) -> None:
    wanted = "R0 tried to add from different maps, paths or scalars, pointer arithmetic with it prohibited for !root"
    assert message(MIX, BPF_ONLY, kernel) == wanted
    assert message(MIX, ALL_CAPS, kernel) == ""


def test_cgroup_skb_without_cap_bpf_sees_no_packet() -> None:
    text = "r0 = *(u32 *)(r1 +76) / r0 = 1 / exit"
    assert message(text, NO_CAPS, prog_type="cgroup_skb") == "invalid bpf_context access off=76 size=4"
    assert message(text, BPF_ONLY, prog_type="cgroup_skb") == ""
