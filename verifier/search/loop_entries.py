# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Loops of explored states, as kernels up to 6.16 know them: each state has the outermost state it leads back to.

While that one is still being explored, states are compared exactly. Source: kernel/bpf/verifier.c get_loop_entry,
update_loop_entry (6.12).
"""

from __future__ import annotations

from verifier.state.states import VerifierState


def loop_entry(state: VerifierState) -> VerifierState | None:
    """The outermost entry known of the loop that the state is part of; noted in all states on the way to it."""
    top = state.loop_entry
    while top is not None and top.loop_entry is not None and top.loop_entry is not top:
        top = top.loop_entry
    at: VerifierState | None = state
    while at is not None and at.loop_entry is not top:
        at.loop_entry, at = top, at.loop_entry
    return top


def in_open_loop(state: VerifierState) -> bool:
    """The loop's entry has paths that were not walked yet."""
    entry = loop_entry(state)
    return entry is not None and entry.branches > 0


def enter_loop(state: VerifierState, head: VerifierState) -> None:
    """`state` leads to `head`: if that is part of the current path, both are in one loop."""
    outer_state, outer_head = loop_entry(state) or state, loop_entry(head) or head
    if outer_head.branches and outer_head.dfs_depth <= outer_state.dfs_depth:
        state.loop_entry = head
        head.used_as_loop_entry = True
