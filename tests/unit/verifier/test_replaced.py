# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs that replace a function of another one. The kernel tree's own such programs are in
tests/conformance/kernel/replacing.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bpfvm.btf import types as t
from bpfvm.errors import BadInput
from bpfvm.obj.link import link_program
from bpfvm.obj.model import Program, TargetProgram
from bpfvm.obj.open import open_object
from tests.unit.obj.bpf_cc import compile_c
from tests.unit.verifier.test_verify import emulated
from verifier import VerifierEnv, profile
from verifier.capabilities import NO_CAPS
from verifier.program.replaced import as_target
from verifier.verify import check

HEAD = """
struct xdp_md { u32 data, data_end, data_meta, a, b, c; };
struct __sk_buff { u32 len; };
static long (*adjust_head)(struct xdp_md *, int) = (void *)44;
static long (*skb_pull_data)(void *, u32) = (void *)39;
char _license[] SEC("license") = "GPL";
"""
TARGET = (
    HEAD
    + """
__noinline int plain(struct xdp_md *ctx, int a) { asm volatile("" : "+r"(a)); return a; }
__noinline int moves(struct xdp_md *ctx) { return adjust_head(ctx, 0); }
__noinline int dead(struct xdp_md *ctx) { asm volatile(""); return 1; }
static __noinline int local(struct xdp_md *ctx) { asm volatile("" : : "r"(ctx)); return ctx->a; }
SEC("xdp") int entry(struct xdp_md *ctx) {
    int zero;
    asm volatile("%0 = 0" : "=r"(zero));
    int sum = plain(ctx, 1) + moves(ctx) + local(ctx);
    if (zero) sum += dead(ctx);
    return sum;
}
SEC("xdp") int odd(u64 *ctx) { return 2; }
"""
)


def env() -> VerifierEnv:
    return VerifierEnv(kernel_btf=emulated(), profile=profile("6.18"))


def target(prog: str = "entry", source: str = TARGET) -> TargetProgram:
    program = link_program(open_object(compile_c(source)), prog, emulated())
    rejection, run = check(program, env(), log_level=2)
    assert rejection is None, run.log.text()
    return as_target(program, run)


def extension(text: str, to: TargetProgram) -> Program:
    return link_program(open_object(compile_c(HEAD + text)), "ext", emulated(), target=to)


def message(program: Program) -> str:
    rejection, run = check(program, env(), log_level=2)
    if rejection is None:
        assert "Validating ext() func#0..." in run.log.text()
        return ""
    assert rejection.errno == 22
    return rejection.message


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ('SEC("freplace/plain") int ext(struct xdp_md *ctx, int a) { return a + ctx->a; }', ""),
        ('SEC("freplace/moves") int ext(struct xdp_md *ctx) { return adjust_head(ctx, 0); }', ""),
        ('SEC("freplace/entry") int ext(struct xdp_md *ctx) { return 2; }', ""),
        (
            'SEC("freplace/plain") int ext(struct xdp_md *ctx, int a) { return adjust_head(ctx, a); }',
            "Extension program changes packet data, while original does not",
        ),
        (
            'SEC("freplace/local") int ext(struct xdp_md *ctx) { return 0; }',
            "local() is not a global function",
        ),
        (
            'SEC("freplace/plain") int ext(struct xdp_md *ctx) { return 0; }',
            "ext() has 1 args while plain() has 2 args",
        ),
        (
            'SEC("freplace/plain") int ext(struct xdp_md *ctx, long a) { return 0; }',
            "arg1 in ext() has size 8 while plain() has 4",
        ),
        (
            'SEC("freplace/plain") int ext(struct xdp_md *ctx, void *a) { return 0; }',
            "arg1 in ext() is PTR while plain() has INT",
        ),
        (
            'SEC("freplace/plain") void ext(struct xdp_md *ctx, int a) {}',
            "Return type UNKNOWN of ext() doesn't match type INT of plain()",
        ),
        (
            'SEC("freplace/plain") int ext(struct __sk_buff *ctx, int a) { return 0; }',
            "arg0 ext(struct __sk_buff *) doesn't match plain(struct xdp_md *)",
        ),
        (
            'SEC("freplace/plain") int ext(int *ctx, int a) { return 0; }',
            "arg0 in ext() is not a pointer to context",
        ),
        (
            'SEC("freplace") int ext(struct xdp_md *ctx, int a) { return 0; }',
            "Tracing programs must provide btf_id",
        ),
    ],
)
def test_what_may_replace(text: str, want: str) -> None:
    assert message(extension(text, target())) == want


def test_helpers_are_those_of_the_targets_type() -> None:
    text = 'SEC("freplace/moves") int ext(struct xdp_md *ctx) { return skb_pull_data(ctx, 0); }'
    assert message(extension(text, target())) == "program of this type cannot use helper bpf_skb_pull_data#39"


def test_a_main_function_with_another_prototype_is_not_replaced() -> None:
    text = 'SEC("freplace/odd") int ext(u64 *ctx) { return 0; }'
    assert message(extension(text, target("odd"))) == "Cannot replace static functions"


def test_functions_that_nothing_calls_are_gone() -> None:
    text = 'SEC("freplace/dead") int ext(struct xdp_md *ctx) { return 0; }'
    assert message(extension(text, target())) == "Subprog dead doesn't exist"


def test_extensions_are_not_extended() -> None:
    to = target()
    program = extension('SEC("freplace/plain") int ext(struct xdp_md *ctx, int a) { return a; }', to)
    rejection, run = check(program, env(), log_level=0)
    assert rejection is None
    again = extension('SEC("freplace/ext") int ext(struct xdp_md *ctx, int a) { return a; }', as_target(program, run))
    assert message(again) == "Cannot recursively attach"


def test_what_is_missing() -> None:
    to = target()
    text = 'SEC("freplace/{}") int ext(struct xdp_md *ctx, int a) {{ return a; }}'
    with pytest.raises(BadInput, match="nothing is not found in prog's BTF"):
        extension(text.format("nothing"), to)
    program = extension(text.format("plain"), to)
    assert message(replace(program, target=None, attach_btf_id=emulated().find("task_struct", t.Struct))) == (
        "Cannot replace kernel functions"
    )
    assert message(replace(program, btf=None, func_info=(), line_info=())) == "Program extension requires BTF"
    bare = replace(to, program=replace(to.program, btf=None))
    assert "another program annotated with BTF" in message(replace(program, target=bare))
    rejection, _ = check(program, replace(env(), caps=NO_CAPS), log_level=0)
    assert rejection is not None
    assert rejection.errno == 1
