# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A program that reaches what the loader poisoned is refused with the name of what is missing."""

from __future__ import annotations

import pytest

from bpfvm.errors import Rejected
from bpfvm.obj.open import open_object
from bpfvm.session import Session
from tests.unit.obj.bpf_cc import compile_c

SOURCE = """
struct task_struct { int gone_field; int pid; } PAI; extern int no_such_kfunc(void) __ksym __weak;
SEC("?tc") int field(void *ctx) { return __builtin_preserve_field_info(((struct task_struct *)0)->gone_field, 0); }
SEC("?tc") int function(void *ctx) { return no_such_kfunc(); }
SEC("?tc") int guarded(void *ctx) { return no_such_kfunc ? no_such_kfunc() : 1; }
char LICENSE[] SEC("license") = "GPL";
"""


@pytest.mark.parametrize(
    ("prog", "slot", "what", "message"),
    [
        (
            "field",
            0,
            "CO-RE relocation",
            "failed to resolve CO-RE relocation <byte_off> [{id}] struct task_struct.",
        ),
        ("function", 0, "kfunc call", "kfunc 'no_such_kfunc' is referenced but wasn't resolved"),
    ],
)
def test_named(prog: str, slot: int, what: str, message: str) -> None:
    spec = open_object(compile_c(SOURCE))
    assert spec.btf is not None
    wanted = message.format(id=spec.btf.find("task_struct"))
    with Session() as session, pytest.raises(Rejected) as caught:
        session.verify(spec, prog)
    assert caught.value.message.startswith(wanted)
    assert f"\n{slot}: <invalid {what}>\n{wanted}" in caught.value.log
    assert "invalid func unknown" not in caught.value.log


def test_what_is_not_reached_does_no_harm() -> None:
    with Session() as session:
        assert session.verify(open_object(compile_c(SOURCE)), "guarded")
