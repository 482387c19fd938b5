# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Profiles, single remedies, and the words for both."""

from __future__ import annotations

import pytest

from bpfvm.errors import UsageError
from thpmm.bpf_thp.profiles import HAZARDS, PROFILES, REMEDIES, thp_profile


def test_what_each_profile_still_has() -> None:
    assert PROFILES["v11"].hazards() == HAZARDS
    assert set(HAZARDS) - set(PROFILES["v12"].hazards()) == {"H1", "H10-negative"}
    assert PROFILES["fixed"].hazards() == ()


def test_single_switches() -> None:
    one = thp_profile("v11", fixes=["H2"])
    assert set(HAZARDS) - set(one.hazards()) == {"H2", "H4"}
    assert thp_profile("fixed", hazards=["H3"]).hazards() == ("H3",)
    assert thp_profile("v11", fixes=["H10"]).remedies == {"negative_keeps", "range_check"}
    assert thp_profile(one, patches=[4]).patches == {4}
    for remedy, (hazards, text) in REMEDIES.items():
        assert thp_profile("v11", fixes=hazards).remedies == {remedy}
        assert text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"name": "v13"}, "no BPF-THP profile 'v13': choose one of v11, v12, fixed"),
        ({"name": "v11", "fixes": ["H11"]}, "no hazard 'H11' to switch"),
        ({"name": "v11", "patches": [7]}, "no patch"),
    ],
)
def test_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        thp_profile(**options)  # type: ignore[arg-type]  # wrong on purpose
