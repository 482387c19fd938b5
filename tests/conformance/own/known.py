# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Our suite's cases, and those in which our verifier doesn't agree yet."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from bpf_progs.build import ROOT
from bpfvm.conform.answer import AGREE, NOT_ASKED, Outcome, compare
from bpfvm.conform.ours import OurVerifier, our_verifier
from bpfvm.conform.suite import Case, find_objects, read_suite
from bpfvm.report.source import kernel_btf
from verifier import PROFILES

SUITE = ROOT / "bpf_progs/built/verifier"
KNOWN = Path(__file__).with_name("known.json")
BUDGET = 20_000
"""instructions that the verifier may look at here; `bpfvm conform` has the kernel's limit"""


@cache
def cases() -> tuple[Case, ...]:
    """The whole suite."""
    return tuple(read_suite(find_objects([SUITE])))


@cache
def known() -> dict[str, str]:
    """Name of a case → why we don't agree. May only shrink: what agrees must not be listed."""
    found: dict[str, str] = json.loads(KNOWN.read_text())
    return found


@cache
def emulated() -> OurVerifier:
    """Our verifier with the emulated kernel's types, as `bpfvm conform` has it."""
    return our_verifier(kernel_btf(), PROFILES["6.18"])


def outcome(ours: OurVerifier, case: Case) -> Outcome:
    """Our answer held against the expectation. Skips the test if it costs too much time."""
    found = compare(case, replace(ours, complexity_limit=BUDGET).ask(case))
    if found.answer.why.startswith(f"BPF program is too large. Processed {BUDGET + 1}"):
        pytest.skip(f"needs more than {BUDGET} instructions: left to bpfvm conform")
    return found


def hold(found: Outcome) -> None:
    """The case agrees, or is listed as one that doesn't; not both."""
    reason = known().get(found.case.name)
    if found.state == AGREE:
        assert reason is None, f"agrees now: take it off {KNOWN.name}"
        return
    if reason is None:
        pytest.fail(f"{found.state}: {found.what or found.answer.why}")
    assert not found.is_unsafe, f"accepts what Linux refuses, which no list excuses: {found.what}"
    if found.state == NOT_ASKED:
        pytest.skip(found.what)
