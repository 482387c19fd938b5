# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The program's shape, before any value is looked at: functions, jumps, reachability, order of visits, call depth.

Source: kernel/bpf/verifier.c add_subprog_and_kfunc, check_subprogs, check_cfg, compute_postorder,
check_max_stack_depth (6.18).
"""

from __future__ import annotations

from typing import Final

from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.isa.insn import Insn
from verifier.calls.graph import RBTREE_ADD
from verifier.calls.kfuncs import add_kfunc_call
from verifier.calls.timers import ASYNC_KFUNCS
from verifier.env import Env, Subprog
from verifier.rejection import E2BIG, EACCES, EINVAL, EPERM
from verifier.search.backtrack import SYNC_CALLBACK_HELPERS
from verifier.steps.exceptions import THROW, find_exception_callback
from verifier.text.state_print import linfo

MAX_SUBPROGS: Final = 256
MAX_CALL_FRAMES: Final = 8
MAX_STACK: Final = 512
MIN_PRIVATE_STACK: Final = 64
STACK_ROUNDING: Final = 16
TAIL_CALL: Final = HELPER_ID["tail_call"]
TIMER_SET_CALLBACK: Final = HELPER_ID["timer_set_callback"]
CHANGES_PACKET: Final = frozenset(
    HELPER_ID[name]
    for name in [
        "clone_redirect",
        "l3_csum_replace",
        "l4_csum_replace",
        "lwt_push_encap",
        "lwt_seg6_action",
        "lwt_seg6_adjust_srh",
        "lwt_seg6_store_bytes",
        "msg_pop_data",
        "msg_pull_data",
        "msg_push_data",
        "skb_adjust_room",
        "skb_change_head",
        "skb_change_proto",
        "skb_change_tail",
        "skb_pull_data",
        "skb_store_bytes",
        "skb_vlan_pop",
        "skb_vlan_push",
        "store_hdr_opt",
        "xdp_adjust_head",
        "xdp_adjust_meta",
        "xdp_adjust_tail",
        "tail_call",
    ]
)
"""Helpers after which packet pointers are void (bpf_helper_changes_pkt_data)."""
PRIVATE_STACK_TYPES: Final = frozenset(("kprobe", "tracepoint", "perf_event", "raw_tracepoint"))

DISCOVERED, EXPLORED, FALLTHROUGH, BRANCH = 0x10, 0x20, 1, 2


def is_call(insn: Insn, src: int) -> bool:
    """A call with this src field (0 helper, 1 own function, 2 kfunc)."""
    return insn.code == 0x85 and insn.src == src


def is_func_ref(insn: Insn) -> bool:
    """A ld_imm64 of a function's address."""
    return insn.code == 0x18 and insn.src == 4


def add_subprogs(env: Env) -> None:
    """Find the functions: slot 0 and everything called or taken the address of; also look up called kfuncs."""
    starts = {0}
    count = len(env.insns)
    for i, insn in enumerate(env.insns):
        if not env.bpf_capable and (is_call(insn, 1) or is_call(insn, 2) or is_func_ref(insn)):
            env.reject(EPERM, "loading/calling other bpf or kernel functions are allowed for CAP_BPF and CAP_SYS_ADMIN")
        if is_call(insn, 1) or is_func_ref(insn):
            target = i + insn.imm + 1
            if not 0 <= target < count:
                env.reject(EINVAL, "call to invalid destination")
            if target not in starts and len(starts) >= MAX_SUBPROGS:
                env.reject(E2BIG, "too many subprograms")
            starts.add(target)
        elif is_call(insn, 2):
            add_kfunc_call(env, insn)
    handler = find_exception_callback(env)
    if handler:
        starts.add(handler)
    env.subprogs = [Subprog(start) for start in sorted(starts)]
    env.subprog_at = {subprog.start: i for i, subprog in enumerate(env.subprogs)}
    if handler:
        env.exception_callback = env.subprog_at[handler]
        found = env.subprogs[env.exception_callback]
        found.is_cb = found.is_async_cb = found.is_exception_cb = True
    if env.log.level >= 2:
        for i, subprog in enumerate(env.subprogs):
            env.log.write(f"func#{i} @{subprog.start}\n")


def subprog_end(env: Env, index: int) -> int:
    """The slot after a function's last."""
    return env.subprogs[index + 1].start if index + 1 < len(env.subprogs) else len(env.insns)


def jump_offset(insn: Insn) -> int:
    """Offset of a jump, in whichever field it is."""
    return insn.imm if insn.code == 0x06 else insn.off


def check_subprogs(env: Env) -> None:
    """Jumps stay inside their function; every function ends in exit or a jump."""
    for index, subprog in enumerate(env.subprogs):
        start, end = subprog.start, subprog_end(env, index)
        for i in range(start, end):
            insn = env.insns[i]
            code = insn.code
            if is_call(insn, 0) and insn.imm == TAIL_CALL:
                subprog.has_tail_call = True
            if code & 7 == 0 and code & 0xE0 in (0x20, 0x40):
                subprog.has_ld_abs = True
            if code & 7 in (5, 6) and code & 0xF0 not in (0x80, 0x90):
                target = i + jump_offset(insn) + 1
                if not start <= target < end:
                    env.reject(EINVAL, f"jump out of range from insn {i} to {target}")
        if env.insns[end - 1].code not in (0x95, 0x05, 0x06):
            env.reject(EINVAL, "last insn is not an exit or jmp")


class _Walk:
    """Depth-first over all instructions, calls included, marking where states may be compared."""

    def __init__(self, env: Env) -> None:
        self.env = env
        self.marks = [0] * len(env.insns)
        self.stack = [0]
        self.marks[0] = DISCOVERED

    def run(self) -> None:
        """Visit everything that can be reached from what is on the stack."""
        while self.stack:
            i = self.stack[-1]
            if not self.visit(i):
                self.marks[i] = EXPLORED
                self.stack.pop()

    def push(self, i: int, target: int, edge: int) -> bool:
        """Follow an edge. True if there is something new at its end."""
        env, marks = self.env, self.marks
        if marks[i] >= DISCOVERED | edge:
            return False
        if not 0 <= target < len(marks):
            linfo(env, i, f"{i}: ")
            env.reject(EINVAL, f"jump out of range from insn {i} to {target}")
        if edge == BRANCH:
            env.prune_points[target] = env.jmp_points[target] = 1
        if not marks[target]:
            marks[i] = DISCOVERED | edge
            marks[target] = DISCOVERED
            if len(self.stack) >= len(marks):
                env.reject(E2BIG, "")
            self.stack.append(target)
            return True
        if marks[target] == EXPLORED:
            marks[i] = DISCOVERED | edge
        elif not env.bpf_capable:
            linfo(env, i, f"{i}: ")
            linfo(env, target, f"{target}: ")
            env.reject(EINVAL, f"back-edge from insn {i} to {target}")
        return False

    def visit(self, i: int) -> bool:
        """One step from instruction i. True to go on deeper."""
        env = self.env
        insn = env.insns[i]
        code = insn.code
        if is_func_ref(insn):
            return self._call(i, 2, True)
        if code & 7 not in (5, 6):
            return self.push(i, i + (2 if code == 0x18 else 1), FALLTHROUGH)
        op = code & 0xF0
        if op == 0x90:
            return False
        if op == 0x80:
            self._note_call(i, insn)
            return self._call(i, 1, insn.src == 1)
        if op == 0x00:
            if code & 8:
                env.unsupported("gotox")
            target = i + jump_offset(insn) + 1
            deeper = self.push(i, target, FALLTHROUGH)
            if not deeper:
                env.prune_points[target] = env.jmp_points[target] = 1
            return deeper
        env.prune_points[i] = 1
        if op == 0xE0 and not insn.src:
            env.force_checkpoints[i] = 1
        return self.push(i, i + 1, FALLTHROUGH) or self.push(i, i + insn.off + 1, BRANCH)

    def _note_call(self, i: int, insn: Insn) -> None:
        env = self.env
        if insn.src == 0:
            if insn.imm == TIMER_SET_CALLBACK:
                env.prune_points[i] = 1
            if insn.imm in SYNC_CALLBACK_HELPERS:
                env.calls_callback[i] = env.force_checkpoints[i] = env.prune_points[i] = env.jmp_points[i] = 1
            subprog = self._containing(i)
            proto = env.helper_proto(insn.imm)
            subprog.might_sleep |= proto is not None and proto.sleeps
            subprog.changes_pkt_data |= insn.imm in CHANGES_PACKET
        elif insn.src == 2:
            meta = env.kfuncs.get(insn.imm)
            if meta is not None and meta.name in ASYNC_KFUNCS:
                env.prune_points[i] = 1
            if meta is not None and meta.name == RBTREE_ADD:
                env.calls_callback[i] = env.force_checkpoints[i] = env.prune_points[i] = env.jmp_points[i] = 1
            if meta is not None and meta.is_iter_next:
                env.prune_points[i] = env.force_checkpoints[i] = 1
            if meta is not None and meta.sleepable:
                self._containing(i).might_sleep = True
            if meta is not None and meta.changes_packet:
                self._containing(i).changes_pkt_data = True

    def _containing(self, i: int) -> Subprog:
        found = self.env.subprogs[0]
        for subprog in self.env.subprogs:
            if subprog.start <= i:
                found = subprog
        return found

    def _call(self, i: int, slots: int, visit_callee: bool) -> bool:
        env = self.env
        if self.push(i, i + slots, FALLTHROUGH):
            return True
        env.prune_points[i + slots] = env.jmp_points[i + slots] = 1
        if not visit_callee:
            return False
        env.prune_points[i] = 1
        target = i + env.insns[i].imm + 1
        caller, callee = self._containing(i), self._containing(target)
        caller.changes_pkt_data |= callee.changes_pkt_data
        caller.might_sleep |= callee.might_sleep
        return self.push(i, target, BRANCH)


def check_cfg(env: Env) -> None:
    """Every instruction can be reached, none in the middle of another; marks prune points."""
    walk = _Walk(env)
    marks = walk.marks
    walk.run()
    handler = env.subprogs[env.exception_callback].start
    if handler:
        marks[handler] = DISCOVERED
        walk.stack.append(handler)
        walk.run()
    i = 0
    while i < len(marks):
        if marks[i] != EXPLORED:
            env.reject(EINVAL, f"unreachable insn {i}")
        if env.insns[i].code == 0x18:
            if marks[i + 1]:
                env.reject(EINVAL, f"jump into the middle of ldimm64 insn {i}")
            i += 1
        i += 1


def compute_successors(env: Env) -> None:
    """Where control may go inside the function, next instruction first."""
    for i, insn in enumerate(env.insns):
        code = insn.code
        op = code & 0xF0
        after = i + (2 if code == 0x18 else 1)
        if is_call(insn, 0) and insn.imm == TAIL_CALL:
            env.successors.append((after, _exit_of(env, i)))
        elif code & 7 not in (5, 6) or op == 0x80:
            env.successors.append((after,))
        elif op == 0x90:
            env.successors.append(())
        elif op == 0x00:
            env.successors.append((i + jump_offset(insn) + 1,))
        else:
            env.successors.append((after, i + insn.off + 1))


def _exit_of(env: Env, i: int) -> int:
    """The last exit of the function that slot i is in: where a tail call that takes place leads."""
    index = max(at for at, sub in enumerate(env.subprogs) if sub.start <= i)
    exits = [k for k in range(env.subprogs[index].start, subprog_end(env, index)) if env.insns[k].code == 0x95]
    return exits[-1] if exits else i + 1


def compute_postorder(env: Env) -> None:
    """All instructions, function by function, each after those it leads to (but for loops)."""
    state = bytearray(len(env.insns))
    for subprog in env.subprogs:
        subprog.postorder_start = len(env.postorder)
        stack = [subprog.start]
        while stack:
            top = stack[-1]
            state[top] |= 1
            if state[top] & 2:
                env.postorder.append(top)
                stack.pop()
                continue
            for s in env.successors[top]:
                if not state[s]:
                    stack.append(s)
                    state[s] |= 1
            state[top] |= 2


Seen = dict[tuple[int, int, bool], int]
"""(function, length of the chain of callers, whether a callback is in it) → most stack used by the callers so far."""


def check_max_stack_depth(env: Env) -> None:
    """No chain of calls needs more than 512 bytes of stack or more than eight frames."""
    private = env.program.prog_type in PRIVATE_STACK_TYPES and not env.replaces
    private = private and not any(s.has_tail_call for s in env.subprogs)
    seen: Seen = {}
    for index, subprog in enumerate(env.subprogs):
        if not index or subprog.is_async_cb:
            _depth(env, index, 0, [], private, seen)


def _rounded(depth: int) -> int:
    return (depth + STACK_ROUNDING - 1) & -STACK_ROUNDING


def _depth(env: Env, index: int, depth: int, chain: list[int], private: bool, seen: Seen) -> None:
    subprog = env.subprogs[index]
    in_callback = subprog.is_cb or any(env.subprogs[c].is_cb for c in chain)
    if subprog.has_ld_abs and in_callback:
        env.reject(EINVAL, "cannot use BPF_LD_[ABS|IND] within callback")
    if index and subprog.has_tail_call and depth >= 256:
        env.reject(
            EACCES,
            f"tail_calls are not allowed when call stack of previous frames is {depth} bytes. Too large",
        )
    own = _rounded(subprog.stack_depth)
    if private and own >= MIN_PRIVATE_STACK:
        if own > MAX_STACK:
            env.reject(EACCES, f"stack size of subprog {index} is {own}. Too large")
    else:
        depth += own
        if depth > MAX_STACK:
            env.reject(EACCES, f"combined stack size of {len(chain) + 1} calls is {depth}. Too large")
    if seen.get((index, len(chain), in_callback), -1) >= depth:
        return
    seen[index, len(chain), in_callback] = depth
    for i in range(subprog.start, subprog_end(env, index)):
        insn = env.insns[i]
        if in_callback and is_call(insn, 2) and insn.imm in env.kfuncs and env.kfuncs[insn.imm].name == THROW:
            env.reject(EINVAL, f"bpf_throw kfunc (insn {i}) cannot be called from callback subprog {index}")
        if is_call(insn, 1) or is_func_ref(insn):
            callee = env.subprogs[env.subprog_at[i + insn.imm + 1]]
            if callee.is_async_cb and is_func_ref(insn):
                continue
            if callee.is_exception_cb:
                env.log.write(f"insn {i} cannot call exception cb directly")
                env.reject_quietly(EINVAL, f"insn {i} cannot call exception cb directly")
            if len(chain) + 1 >= MAX_CALL_FRAMES:
                env.reject(E2BIG, f"the call stack of {len(chain) + 1} frames is too deep !")
            _depth(env, env.subprog_at[i + insn.imm + 1], depth, [*chain, index], private, seen)
