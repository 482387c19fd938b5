# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Loops as strongly connected components, and the states that closed one of them.

While a loop is being explored the precision marks of its states are incomplete; the states at which a path was pruned
against one of them are kept, and marks are propagated through them until nothing changes once the loop is left.
Source: kernel/bpf/verifier.c compute_scc, maybe_enter_scc, maybe_exit_scc, propagate_backedges (6.18).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias, final

from verifier.env import Env
from verifier.rejection import EFAULT
from verifier.state.states import VerifierState

NOT_ON_STACK: Final = 1 << 62
MAX_BACKEDGE_ITERS: Final = 64
Propagate: TypeAlias = Callable[[Env, VerifierState, VerifierState], bool]


@final
class SccVisit:
    """One walk through a component by one chain of calls: the state that entered it and the states that closed it."""

    __slots__ = ("backedges", "entry", "open_count")

    def __init__(self) -> None:
        self.entry: VerifierState | None = None
        self.backedges: list[VerifierState] = []
        self.open_count = 0


def compute_scc(env: Env) -> None:
    """Number the components that are loops, from 1, in `env.scc` (Tarjan's algorithm without recursion)."""
    count = len(env.insns)
    low, pre = [0] * count, [0] * count
    next_id = 1
    for root in range(count):
        if pre[root] or (root and env.insns[root - 1].code == 0x18):
            continue
        stack: list[int] = []
        dfs = [root]
        number = 1
        while dfs:
            w = dfs[-1]
            if not pre[w]:
                low[w] = pre[w] = number
                number += 1
                stack.append(w)
            deeper = False
            for s in env.successors[w]:
                if pre[s]:
                    low[w] = min(low[w], low[s])
                else:
                    dfs.append(s)
                    deeper = True
                    break
            if deeper:
                continue
            if low[w] < pre[w]:
                dfs.pop()
                continue
            loop = stack[-1] != w or w in env.successors[w]
            while True:
                member = stack.pop()
                low[member] = NOT_ON_STACK
                if loop:
                    env.scc[member] = next_id
                if member == w:
                    break
            if loop:
                next_id += 1
            dfs.pop()


def callchain(env: Env, state: VerifierState) -> tuple[int, ...]:
    """(call sites …, component) of the outermost frame of `state` that stands in a loop; () if none does."""
    sites: list[int] = []
    scc = env.scc
    for frameno in range(len(state.frames)):
        insn = state.frame_insn_idx(frameno)
        if scc[insn]:
            return (*sites, scc[insn])
        sites.append(insn)
    return ()


def _chain_text(chain: tuple[int, ...]) -> str:
    """A call site 0 is taken for the end of the list, as in the kernel's format_callchain()."""
    sites = list(chain[:-1])
    shown = sites[: sites.index(0)] if 0 in sites else sites
    return f"({','.join([str(site) for site in [*shown, chain[-1]]])})"


def enter(env: Env, state: VerifierState) -> None:
    """A new explored state: note it if it is the first in its loop."""
    chain = callchain(env, state)
    if not chain:
        return
    visit = env.scc_visits.get(chain)
    if visit is None:
        visit = env.scc_visits[chain] = SccVisit()
    if visit.entry is None:
        visit.entry = state
        if env.log.level >= 2:
            env.log.write(f"SCC enter {_chain_text(chain)}\n")


def leave(env: Env, state: VerifierState, propagate: Propagate, force: Callable[[Env, VerifierState], None]) -> None:
    """All paths from an explored state are done: if it entered a loop, complete the marks of the loop's states."""
    chain = callchain(env, state)
    if not chain:
        return
    visit = env.scc_visits.get(chain)
    if visit is None and not state.speculative:
        # a path may end inside a loop by an exception, and no state was remembered there: Linux hasn't thought of that
        env.reject(EFAULT, f"verifier bug: scc exit: no visit info for call chain {_chain_text(chain)}")
    if visit is None or visit.entry is not state:
        return
    if env.log.level >= 2:
        env.log.write(f"SCC exit {_chain_text(chain)}\n")
    visit.entry = None
    env.backedge_count -= visit.open_count
    visit.open_count = 0
    update_peak(env)
    rounds = 0
    changed = True
    while changed:
        rounds += 1
        if rounds > MAX_BACKEDGE_ITERS:
            if env.log.level >= 2:
                env.log.write("propagate_backedges: too many iterations\n")
            for edge in visit.backedges:
                force(env, edge)
            break
        changed = False
        for edge in reversed(visit.backedges):
            assert edge.equal_state is not None
            if propagate(env, edge.equal_state, edge):
                changed = True
    visit.backedges = []


def add_backedge(env: Env, closed: VerifierState, edge: VerifierState) -> None:
    """A path was pruned against `closed` while its loop was open; `edge` is a copy of the state it was pruned in."""
    chain = callchain(env, closed)
    visit = env.scc_visits.get(chain)
    if visit is None:
        return
    if env.log.level >= 2:
        env.log.write(f"SCC backedge {_chain_text(chain)}\n")
    visit.backedges.append(edge)
    env.backedges_open = True
    visit.open_count += 1
    env.backedge_count += 1
    update_peak(env)


def incomplete(env: Env, state: VerifierState) -> bool:
    """The state is in a loop whose marks are not complete yet."""
    if not env.backedges_open:
        return False
    chain = callchain(env, state)
    if not chain:
        return False
    visit = env.scc_visits.get(chain)
    return visit is not None and bool(visit.backedges)


def update_peak(env: Env) -> None:
    """The greatest number of states kept at once."""
    env.peak_states = max(env.peak_states, env.explored_count + env.free_count + env.backedge_count)
