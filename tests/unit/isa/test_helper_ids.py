# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helper ids that are interface."""

from __future__ import annotations

from bpfvm.isa.helper_ids import HELPER_ID, HELPERS


def test_known_ids() -> None:
    known = {
        "map_lookup_elem": 1,
        "ktime_get_ns": 5,
        "tail_call": 12,
        "get_current_task": 35,
        "probe_read_kernel": 113,
        "ringbuf_output": 130,
        "loop": 181,
        "cgrp_storage_delete": 211,
    }
    assert {name: HELPER_ID[name] for name in known} == known
    assert sorted(HELPERS) == list(range(1, 212))
    assert len(set(HELPERS.values())) == 211
