# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""``python -m tests.conformance.kernel.replacing``: the tree's own programs that replace functions of others, beside
what its tests expect of them (prog_tests/{fexit_bpf2bpf,changes_pkt_data,global_func_dead_code,tailcalls}.c, 6.12)."""

from __future__ import annotations

import sys
from typing import Final, NamedTuple

from bpfvm.btf import types as t
from bpfvm.obj.link import link_program
from bpfvm.obj.model import Program, TargetProgram
from bpfvm.obj.open import open_object
from tests.conformance.kernel.corpus import default_corpus
from tests.conformance.kernel.kernel import kernel
from verifier import VerifierEnv, profile
from verifier.program.replaced import as_target
from verifier.verify import check


class Case(NamedTuple):
    """object:program of the target and of the replacement; the function, unless the section names it; what the log
    of a refusal has in it, None for a success."""

    target: str
    replacement: str
    function: str = ""
    refused: str | None = None


_PACKET: Final = "Extension program changes packet data, while original does not"
_PKT_ACCESS: Final = "test_pkt_access:test_pkt_access"
CASES: Final = (
    Case(_PKT_ACCESS, "fexit_bpf2bpf:new_get_skb_len"),
    Case(_PKT_ACCESS, "fexit_bpf2bpf:new_get_skb_ifindex"),
    Case(_PKT_ACCESS, "fexit_bpf2bpf:new_get_constant"),
    Case(_PKT_ACCESS, "fexit_bpf2bpf:new_test_pkt_write_access_subprog"),
    Case(_PKT_ACCESS, "freplace_get_constant:security_new_get_constant"),
    Case(_PKT_ACCESS, "freplace_global_func:new_test_pkt_access"),
    Case("connect4_prog:connect_v4_prog", "freplace_connect4:new_do_bind"),
    Case("connect4_prog:connect_v4_prog", "freplace_connect_v4_prog:new_connect_v4_prog", "", "At program exit"),
    Case("test_cls_redirect:cls_redirect", "freplace_cls_redirect:freplace_cls_redirect_test"),
    Case(
        "verifier_btf_unreliable_prog:btf_unreliable_kprobe",
        "freplace_unreliable_prog:replace_btf_unreliable_kprobe",
        "",
        "Cannot replace static functions",
    ),
    Case("xdp_dummy:xdp_dummy_prog", "freplace_progmap:xdp_cpumap_prog", "xdp_dummy_prog"),
    Case("tc_bpf2bpf:entry_tc", "tailcall_freplace:entry_freplace", "subprog_tc"),
    Case(
        "verifier_global_subprogs:chained_global_func_calls_success",
        "freplace_dead_global_func:freplace_prog",
        "global_good",
    ),
    Case(
        "verifier_global_subprogs:chained_global_func_calls_success",
        "freplace_dead_global_func:freplace_prog",
        "global_dead",
        "Subprog global_dead doesn't exist",
    ),
    *(
        Case(f"changes_pkt_data:{main}", f"changes_pkt_data_freplace:{new}", function, _PACKET if worse else None)
        for main, function, changes in (
            ("main_with_subprogs", "changes_pkt_data", True),
            ("main_with_subprogs", "does_not_change_pkt_data", False),
            ("main_changes", "main_changes", True),
            ("main_does_not_change", "main_does_not_change", False),
        )
        for new in ("changes_pkt_data", "does_not_change_pkt_data")
        for worse in (not changes and new == "changes_pkt_data",)
    ),
)


def _linked(name: str, target: TargetProgram | None = None, function: str = "") -> Program:
    stem, _, prog = name.partition(":")
    spec = open_object(default_corpus().objects / f"{stem}.bpf.o")
    types = target.program.btf if target is not None else None
    btf_id = types.find(function, t.Func) if types is not None and function else 0
    return link_program(spec, prog, kernel().btf, target=target, attach_btf_id=btf_id)


def judge(case: Case, env: VerifierEnv) -> str:
    """What is wrong; "" when all is as expected."""
    program = _linked(case.target)
    rejection, run = check(program, env, log_level=0)
    if rejection is not None:
        return f"the target is refused: {rejection.message}"
    rejection, _ = check(_linked(case.replacement, as_target(program, run), case.function), env, log_level=0)
    if case.refused is None:
        return f"refused: {rejection.message}" if rejection is not None else ""
    if rejection is None:
        return "accepted"
    return "" if case.refused in rejection.message else f"other words: {rejection.message}"


def main() -> int:
    """Prints what differs and how many agree; 1 when not all do."""
    agree = 0
    for name in ("6.12", "6.18"):
        env = VerifierEnv(kernel_btf=kernel().btf, profile=profile(name), struct_ops=kernel().registry)
        for case in CASES:
            wrong = judge(case, env)
            agree += not wrong
            if wrong:
                print(f"{name} {case.target} {case.replacement} {case.function}: {wrong}")
    print(f"{agree} of {2 * len(CASES)} agree")
    return int(agree != 2 * len(CASES))


if __name__ == "__main__":
    sys.exit(main())
