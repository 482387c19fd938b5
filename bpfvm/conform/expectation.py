# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the authors of the kernel's tests expect of a program, as the BTF decl tags of its function say it
(tools/testing/selftests/bpf/progs/bpf_misc.h and test_loader.c parse_test_spec, 6.12)."""

from __future__ import annotations

from dataclasses import dataclass, field

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.errors import BadInput

PREFIX = "comment:test_"
TEST_DATA_LEN = 64
ANY_POINTER = "POINTER_VALUE"
NAMED = {"INT_MIN": -(1 << 31), "TEST_DATA_LEN": TEST_DATA_LEN}
FLAGS = {
    "BPF_F_STRICT_ALIGNMENT": 1,
    "BPF_F_ANY_ALIGNMENT": 2,
    "BPF_F_TEST_RND_HI32": 4,
    "BPF_F_TEST_STATE_FREQ": 8,
    "BPF_F_SLEEPABLE": 16,
    "BPF_F_XDP_HAS_FRAGS": 32,
    "BPF_F_TEST_REG_INVARIANTS": 128,
}
ARCH = "X86_64"


@dataclass(slots=True)
class Mode:
    """Expectations for one privilege. retval: None unless the program is to be run; ANY_POINTER accepts any value."""

    tagged: bool = False
    failure: bool | None = None
    messages: list[str] = field(default_factory=list)
    xlated: int = 0
    jited: int = 0
    retval: int | str | None = None


@dataclass(slots=True)
class Expectation:
    """All tags of one function. ``auxiliary``: loaded along with other tests, no test itself."""

    priv: Mode = field(default_factory=Mode)
    unpriv: Mode = field(default_factory=Mode)
    auxiliary: bool = False
    log_level: int = 0
    flags: int = 0
    arches: set[str] = field(default_factory=set)
    custom_btf: str = ""
    unknown: list[str] = field(default_factory=list)

    @property
    def runs_here(self) -> bool:
        """The test is for the architecture the corpus is compiled for."""
        return not self.arches or ARCH in self.arches

    @property
    def is_priv(self) -> bool:
        """Without any mode given a test is a privileged one."""
        return self.priv.tagged or not self.unpriv.tagged


def read_tags(btf: Btf, function: str) -> Expectation | None:
    """The expectation of a function, None when it has no such tag. Raises BadInput for a number that is none."""
    tags = [text for where, text in btf.tags(btf.find(function, t.Func)) if where == -1 and text.startswith(PREFIX)]
    if not tags:
        return None
    expected = Expectation()
    for text in tags:
        try:
            _read(expected, text.removeprefix(PREFIX))
        except ValueError:
            raise BadInput(f"the tag `{text[:80]}` of {function} needs a number") from None
    _inherit(expected)
    return expected


def _read(expected: Expectation, text: str) -> None:
    word, _, value = text.partition("=")
    mode = expected.unpriv if word.endswith("_unpriv") else expected.priv
    kind = word.removesuffix("_unpriv")
    if kind in ("expect_failure", "expect_success"):
        mode.failure = kind == "expect_failure"
    elif kind == "auxiliary":
        expected.auxiliary = True
    elif kind == "expect_msg":
        mode.messages.append(value.partition("=")[2])
    elif kind == "expect_xlated":
        mode.xlated += 1
    elif kind == "jited":
        mode.jited += 1
    elif kind == "retval":
        mode.retval = _retval(value)
    else:
        _read_setting(expected, kind, value)
        return
    mode.tagged = True


def _read_setting(expected: Expectation, kind: str, value: str) -> None:
    if kind == "log_level":
        expected.log_level = int(value, 0)
    elif kind == "prog_flags":
        bits = FLAGS.get(value.lstrip("!")) or int(value.lstrip("!"), 0)
        expected.flags = expected.flags & ~bits if value.startswith("!") else expected.flags | bits
    elif kind == "arch":
        expected.arches.add(value)
    elif kind == "btf_path":
        expected.custom_btf = value
    elif kind != "description":
        expected.unknown.append(kind)


def _retval(text: str) -> int | str:
    if text == ANY_POINTER:
        return text
    number = NAMED[text] if text in NAMED else int(text, 16 if text.lstrip("-").startswith("0x") else 10)
    return (number + (1 << 31)) % (1 << 32) - (1 << 31)


def _inherit(expected: Expectation) -> None:
    """What isn't said of the unprivileged mode is as in the privileged one; silence means success."""
    priv, unpriv = expected.priv, expected.unpriv
    priv.failure = bool(priv.failure)
    if unpriv.failure is None:
        unpriv.failure = priv.failure
    if unpriv.retval is None:
        unpriv.retval = priv.retval
    unpriv.messages = unpriv.messages or list(priv.messages)
