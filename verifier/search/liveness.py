# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which stack slots may still be read: kernel/bpf/liveness.c (6.18). Kernels before it: read_marks.py.

For every function instance (a function, seen from one chain of call sites) it is remembered which slots of which
frames each instruction read or certainly wrote on any path so far; a fixed point over the control flow then says
which are live before each instruction. A slot that is not live can't make two states differ.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Final, TypeAlias, final

from bpfvm.isa.word import U64_MAX
from verifier.env import Env
from verifier.search.backtrack import slots_text
from verifier.state.states import VerifierState

Chain: TypeAlias = tuple[int, ...]
"""Call sites from the outermost frame on; the last entry is the start of the function itself."""


@final
class FrameMasks:
    """Per instruction of one function instance, for the stack of one frame: slots that may be read, must be written,
    are certainly written from here on, are live before. stale: instructions whose last two may not be what their
    marks and successors say."""

    __slots__ = ("live", "may_read", "must_acc", "must_write", "stale")

    def __init__(self, count: int) -> None:
        self.may_read = [0] * count
        self.must_write = [0] * count
        self.must_acc = [0] * count
        self.live = [0] * count
        self.stale: set[int] = set()


@final
class Instance:
    """A function instance; frames[i] are the marks for frame i of the chain, None until there is one."""

    __slots__ = ("chain", "count", "dropped", "frames", "start", "subprog", "updated", "write_seen")

    def __init__(self, chain: Chain, start: int, count: int, subprog: int) -> None:
        self.chain = chain
        self.start = start
        self.count = count
        self.subprog = subprog
        self.frames: list[FrameMasks | None] = [None] * len(chain)
        self.write_seen = bytearray(count)
        self.updated = False
        self.dropped = False

    def masks(self, frame: int) -> FrameMasks:
        """The marks for a frame, made when first needed."""
        found = self.frames[frame]
        if found is None:
            found = self.frames[frame] = FrameMasks(self.count)
        return found

    def live_before(self, insn: int, frame: int) -> int:
        """Mask of a frame's slots that are live before the instruction."""
        found = self.frames[frame]
        return found.live[insn - self.start] if found is not None else 0


@final
class Liveness:
    """All instances, and the one the current state is in."""

    __slots__ = ("_env", "_order", "_place", "_predecessors", "cur", "instances", "query", "query_idx", "writes")

    def __init__(self, env: Env) -> None:
        self._env: Final = env
        self._order = env.postorder
        self._place = [-1] * len(env.insns)
        for place, insn in enumerate(env.postorder):
            self._place[insn] = place
        self._predecessors: list[list[int]] = [[] for _ in env.insns]
        for insn, successors in enumerate(env.successors):
            for successor in successors:
                self._predecessors[successor].append(insn)
        self.instances: dict[Chain, Instance] = {}
        self.cur: Instance | None = None
        self.writes = [0] * 8
        self.query: list[Instance] = []
        self.query_idx = 0

    def chain_of(self, state: VerifierState, frameno: int) -> Chain:
        """The call chain that leads to a frame of the state."""
        frames = state.frames
        start = self._env.subprogs[frames[frameno].subprogno].start
        return (*[frames[i + 1].callsite for i in range(frameno)], start)

    def instance(self, chain: Chain) -> Instance:
        """The instance of a call chain."""
        found = self.instances.get(chain)
        if found is None:
            env = self._env
            subprog = env.subprog_at[chain[-1]]
            end = env.subprogs[subprog + 1].start if subprog + 1 < len(env.subprogs) else len(env.insns)
            found = self.instances[chain] = Instance(chain, chain[-1], end - chain[-1], subprog)
        return found

    def _current(self) -> Instance:
        if self.cur is None:
            state = self._env.state
            self.cur = self.instance(self.chain_of(state, len(state.frames) - 1))
        return self.cur

    # --- marks ------------------------------------------------------------
    def mark_read(self, env: Env, frame: int, insn: int, mask: int) -> None:
        """The instruction read stack slots of a frame."""
        if env.read_marks:
            env.note_slots(frame, mask, written=False)
            return
        self._read(self._current(), frame, insn, mask)

    def _read(self, instance: Instance, frame: int, insn: int, mask: int) -> None:
        masks = instance.masks(frame)
        at = insn - instance.start
        new = masks.may_read[at] | mask
        if new != masks.may_read[at]:
            if new & ~masks.live[at]:
                instance.updated = True
            masks.may_read[at] = new
            masks.stale.add(insn)

    def begin_insn(self) -> None:
        """A new instruction that may write to the stack starts."""
        if self._env.read_marks:
            return
        self._current()
        self.writes = [0] * 8

    def mark_write(self, frame: int, mask: int) -> None:
        """The current instruction wrote whole slots of a frame."""
        if self._env.read_marks:
            self._env.note_slots(frame, mask, written=True)
            return
        self.writes[frame] |= mask

    def commit_insn(self, insn: int) -> None:
        """It ended: what it wrote on every visit so far, it must write."""
        if self.cur is not None:
            self._commit(self.cur, insn)

    def _commit(self, instance: Instance, insn: int) -> None:
        at = insn - instance.start
        seen = instance.write_seen[at]
        for frame in range(len(instance.chain)):
            mask = self.writes[frame]
            if not mask and not seen:
                continue
            masks = instance.masks(frame)
            old = masks.must_write[at]
            if seen:
                mask &= old
            if old != mask:
                masks.must_write[at] = mask
                masks.stale.add(insn)
                instance.updated = True
            if old & ~mask:
                instance.dropped = True
        instance.write_seen[at] = 1

    # --- fixed point ------------------------------------------------------------
    def update(self) -> None:
        """A path ended: bring all instances on the current chain up to date, callers after callees."""
        self.cur = None
        if self._env.read_marks:
            return
        state = self._env.state
        for frameno in range(len(state.frames) - 1, -1, -1):
            instance = self.instance(self.chain_of(state, frameno))
            if instance.updated:
                self._settle(instance)
                instance.updated = False
                instance.dropped = False

    def _settle(self, instance: Instance) -> None:
        """Sweep over the function, last instructions first, until nothing changes."""
        start, end = instance.start, instance.start + instance.count
        if instance.dropped:
            for masks in instance.frames:
                if masks is not None:
                    masks.must_acc = [0] * instance.count
                    masks.stale.update(range(start, end))
        rounds = 0
        changed = True
        while changed:
            rounds += 1
            changed = False
            for frame, masks in enumerate(instance.frames):
                if masks is not None and masks.stale and self._sweep(instance, frame, masks):
                    changed = True
        if self._env.log.level >= 2:
            self._env.log.write(f"{self._chain_text(instance)} live stack update done in {rounds} iterations\n")
        if len(instance.chain) > 1:
            self._tell_caller(instance)

    def _sweep(self, instance: Instance, frame: int, masks: FrameMasks) -> bool:
        """One round in postorder. Only what is stale can change, so only that is looked at; what a change makes stale
        behind it waits for the next round, as if all instructions were looked at in turn. True if there was a
        change."""
        order, place, predecessors = self._order, self._place, self._predecessors
        now = [place[insn] for insn in masks.stale if place[insn] >= 0]
        heapify(now)
        later: set[int] = set()
        changed = False
        last = -1
        while now:
            at = heappop(now)
            if at == last:
                continue
            last = at
            if not self._settle_insn(instance, frame, masks, order[at]):
                continue
            changed = True
            for insn in predecessors[order[at]]:
                if place[insn] > at:
                    heappush(now, place[insn])
                elif place[insn] >= 0:
                    later.add(insn)
        masks.stale = later
        return changed

    def _settle_insn(self, instance: Instance, frame: int, masks: FrameMasks, insn: int) -> bool:
        succ = self._env.successors[insn]
        if not succ:
            return False
        start = instance.start
        at = insn - start
        after, acc = 0, U64_MAX
        for s in succ:
            after |= masks.live[s - start]
            acc &= masks.must_acc[s - start]
        acc |= masks.must_write[at]
        before = (after & ~masks.must_write[at]) | masks.may_read[at]
        old_before, old_acc = masks.live[at], masks.must_acc[at]
        if before == old_before and acc == old_acc:
            return False
        if self._env.log.level >= 2 and (
            masks.may_read[at] or masks.must_write[at] or not at or self._env.prune_points[insn]
        ):
            where = f"{self._chain_text(instance)} frame {frame} insn {insn} "
            self._log_change(where, "live", old_before, before)
            self._log_change(where, "written", old_acc, acc)
        masks.live[at], masks.must_acc[at] = before, acc
        return True

    def _log_change(self, where: str, what: str, old: int, new: int) -> None:
        if old == new:
            return
        text = where
        if new & ~old:
            text += f"+{what} {slots_text(new & ~old)} "
        if old & ~new:
            text += f"-{what} {slots_text(old & ~new)}"
        self._env.log.write(text + "\n")

    def _chain_text(self, instance: Instance) -> str:
        return f"({','.join([str(site) for site in instance.chain])})"

    def _tell_caller(self, instance: Instance) -> None:
        """What the callee's first instruction needs of, and does to, outer frames, its call does."""
        outer_chain = instance.chain[:-2]
        call = instance.chain[-2]
        outer = self.instance((*outer_chain, self._start_of(call)))
        self.writes = [0] * 8
        for frame in range(len(instance.chain) - 1):
            masks = instance.frames[frame]
            if masks is not None:
                self.writes[frame] |= masks.must_acc[0]
                self._read(outer, frame, call, masks.live[0])
        self._commit(outer, call)

    def _start_of(self, insn: int) -> int:
        """Start of the function that contains the instruction."""
        return max(subprog.start for subprog in self._env.subprogs if subprog.start <= insn)

    # --- questions ------------------------------------------------------------
    def ask_about(self, state: VerifierState) -> None:
        """The following `alive` questions are about this state."""
        self.query = [self.instance(self.chain_of(state, i)) for i in range(len(state.frames))]
        self.query_idx = state.insn_idx

    def alive(self, frameno: int) -> int:
        """Mask of a frame's slots that may still be read, by the innermost function or after it returns."""
        inner = self.query[-1]
        mask = inner.live_before(self.query_idx, frameno)
        for i in range(frameno, len(self.query) - 1):
            site = inner.chain[i]
            at = site if self._env.calls_callback[site] else site + 1
            mask |= self.query[i].live_before(at, frameno)
        return mask
