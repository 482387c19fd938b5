# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""``bpfvm prog verify --target``: programs that replace a function of another one."""

from __future__ import annotations

from bpfvm.errors import InternalError
from tests.cli.conftest import Bpfvm
from tests.unit.obj.bpf_cc import compile_c

TARGET = """
struct xdp_md { u32 data, data_end; };
__noinline int choose(struct xdp_md *ctx) { asm volatile(""); return ctx->data ? 1 : 2; }
__noinline int other(u64 number) { asm volatile(""); return number > 7; }
SEC("xdp") int entry(struct xdp_md *ctx) { return choose(ctx) + other(5); }
SEC("xdp") int refused(struct xdp_md *ctx) { return *(int *)0; }
char _license[] SEC("license") = "GPL";
"""
EXTENSION = """
struct xdp_md { u32 data, data_end; };
SEC("freplace/choose") int good(struct xdp_md *ctx) { return ctx->data_end ? 3 : 4; }
SEC("freplace/choose") int bad(u64 number) { return 0; }
SEC("freplace") int open(struct xdp_md *ctx) { return 0; }
char _license[] SEC("license") = "GPL";
"""


def _verify(bpfvm: Bpfvm, prog: str, *options: object) -> tuple[int, str, str]:
    done = bpfvm("prog", "verify", compile_c(EXTENSION), prog, "--json", *options)
    verdict = done.json[0]
    return done.code, verdict["verdict"], verdict["message"]


def test_an_extension_is_held_against_the_function_it_replaces(bpfvm: Bpfvm) -> None:
    target = f"{compile_c(TARGET)}:entry"
    assert _verify(bpfvm, "good", "--target", target) == (0, "accepted", "")
    code, word, message = _verify(bpfvm, "bad", "--target", target)
    assert (code, word) == (1, "refused")
    assert message == "arg0 in bad() is INT while choose() has PTR"


def test_the_function_can_be_named(bpfvm: Bpfvm) -> None:
    target = f"{compile_c(TARGET)}:entry"
    assert _verify(bpfvm, "open", "--target", target, "--function", "choose") == (0, "accepted", "")
    assert _verify(bpfvm, "open", "--target", target, "--function", "other")[:2] == (1, "refused")
    code, word, message = _verify(bpfvm, "open", "--target", target, "--function", "nothing")
    assert (code, word) == (3, "not linked")
    assert "nothing is not found in prog's BTF" in message


def test_without_a_target_the_next_step_is_named(bpfvm: Bpfvm) -> None:
    done = bpfvm("prog", "verify", compile_c(EXTENSION), "good")
    assert done.code == 1
    assert "--target OBJ:PROG" in done.err


def test_bad_targets(bpfvm: Bpfvm) -> None:
    extension, target = compile_c(EXTENSION), compile_c(TARGET)
    for written, code in ((str(target), 2), (f"{target}:none", 2), (f"{target}:refused", 1), ("/none:p", 3)):
        done = bpfvm("prog", "verify", extension, "good", "--target", written)
        assert done.code == code, written
        assert done.code != InternalError.exit_code
        assert done.err.splitlines()[-1].startswith("bpfvm: "), done.err
