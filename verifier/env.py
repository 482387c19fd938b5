# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Everything one verification works on: the program, what is known of each instruction, the current state, counters,
log.

Source: include/linux/bpf_verifier.h struct bpf_verifier_env, bpf_insn_aux_data, bpf_subprog_info (6.18).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, final

from bpfvm.isa.helper_ids import HELPERS
from bpfvm.isa.insn import Insn
from bpfvm.isa.opcodes import BPF_COMPLEXITY_LIMIT_INSNS
from bpfvm.isa.table import op_of
from bpfvm.obj.model import LineInfo, MapSpec, Program
from verifier.capabilities import ALL_CAPS, Capabilities
from verifier.numbers.cnum import Bounds
from verifier.program.fastcall import Fastcalls
from verifier.rejection import EACCES, EINVAL, Rejection
from verifier.state.read_marks import WRITTEN, Marks, note_read
from verifier.state.reg import NOT_INITIALIZED, RegState, unknown
from verifier.state.reg_type import NOT_INIT
from verifier.state.states import Frame, History, VerifierState
from verifier.text.log import Log

if TYPE_CHECKING:
    from bpfvm.btf import Btf
    from bpfvm.btf import types as t
    from verifier.calls.arg_kinds import HelperProto
    from verifier.calls.kfuncs import KfuncMeta
    from verifier.memory.ctx_tables import CtxKind
    from verifier.profile import KernelProfile
    from verifier.program.func_args import ArgInfo
    from verifier.search.liveness import Liveness
    from verifier.search.observe import Observer
    from verifier.search.scc import SccVisit

GPL_LICENSES = ("GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL")
REG_FP = 10
MAX_REG = 11


@final
class Subprog:
    """A function of the program: first slot, name ("" without BTF) and what was found out about it."""

    __slots__ = (
        "added_stack",
        "args",
        "called",
        "changes_pkt_data",
        "has_ld_abs",
        "has_tail_call",
        "is_async_cb",
        "is_cb",
        "is_exception_cb",
        "is_global",
        "might_sleep",
        "name",
        "postorder_start",
        "stack_depth",
        "start",
        "type_id",
        "unreliable",
        "verified",
    )

    def __init__(self, start: int) -> None:
        self.start = start
        self.name = ""
        self.type_id = 0
        self.is_global = False
        self.stack_depth = 0
        self.added_stack = 0
        self.postorder_start = 0
        self.has_tail_call = False
        self.has_ld_abs = False
        self.is_cb = False
        self.is_async_cb = False
        self.is_exception_cb = False
        self.changes_pkt_data = False
        self.might_sleep = False
        self.called = False
        self.verified = False
        self.unreliable = False
        self.args: tuple[ArgInfo, ...] | None = None


@final
class StateEntry:
    """An explored state in its bucket, with how often it helped and how often not."""

    __slots__ = ("hits", "misses", "state")

    def __init__(self, state: VerifierState) -> None:
        self.state = state
        self.hits = 0
        self.misses = 0


@final
class Pending:
    """A path still to be walked."""

    __slots__ = ("insn_idx", "log_pos", "prev_insn_idx", "state")

    def __init__(self, state: VerifierState, insn_idx: int, prev_insn_idx: int, log_pos: int) -> None:
        self.state = state
        self.insn_idx = insn_idx
        self.prev_insn_idx = prev_insn_idx
        self.log_pos = log_pos


@final
class Result:
    """What an instruction last made of two numbers: without links to other registers, not precise."""

    __slots__ = ("a", "b", "out")

    def __init__(self, a: Bounds, b: Bounds, out: RegState) -> None:
        self.a = a
        self.b = b
        self.out = out


@final
class Lesson:
    """What a conditional jump last taught about two numbers: on the way taken, on the other way."""

    __slots__ = ("a", "b", "fell", "took")

    def __init__(self, a: Bounds, b: Bounds, took: tuple[Bounds, Bounds], fell: tuple[Bounds, Bounds]) -> None:
        self.a = a
        self.b = b
        self.took = took
        self.fell = fell


class Env:
    """One run of the verifier. Modules of this package share it; nothing outside does."""

    def __init__(
        self,
        program: Program,
        kernel_btf: Btf,
        profile: KernelProfile,
        log: Log,
        caps: Capabilities = ALL_CAPS,
    ) -> None:
        self.program = program
        self.insns: tuple[Insn, ...] = program.insns
        self.ops = [op_of(insn) for insn in program.insns]
        self.kernel_btf = kernel_btf
        self.profile = profile
        self.log = log
        self.gpl = program.license in GPL_LICENSES
        self.caps = caps
        self.bpf_capable = caps.bpf
        self.allow_ptr_leaks = caps.allow_ptr_leaks
        self.allow_uninit_stack = caps.allow_uninit_stack
        self.bypass_spec = caps.bypass_spec
        self.strict_alignment = False
        self.test_state_freq = False
        self.read_marks = profile.read_marks
        self.precise_fetches = profile.precise_fetches
        self.complexity_limit = BPF_COMPLEXITY_LIMIT_INSNS
        self.observer: Observer | None = None

        count = len(program.insns)
        self.prune_points = bytearray(count + 1)
        self.jmp_points = bytearray(count + 1)
        self.force_checkpoints = bytearray(count + 1)
        self.calls_callback = bytearray(count + 1)
        self.iter_next = bytearray(count + 1)
        self.seen = bytearray(count + 1)
        self.live_regs = [0] * (count + 1)
        self.scc = [0] * (count + 1)
        self.ptr_types = [NOT_INIT] * (count + 1)
        self.imm64_regs: dict[int, RegState] = {}
        self.imm64_text: dict[int, str] = {}
        self.loop_calls: dict[int, int] = {}
        self.call_map: dict[int, MapSpec | None] = {}
        self.kfuncs: dict[int, KfuncMeta] = {}
        self.probe_mem: set[int] = set()
        self.arena_alu: set[int] = set()
        self.subprogs: list[Subprog] = []
        self.subprog_at: dict[int, int] = {}
        self.exception_callback = 0
        self.arena: MapSpec | None = None
        self.postorder: list[int] = []
        self.successors: list[tuple[int, ...]] = []
        self.is_store = bytearray(count + 1)
        self.nospec = bytearray(count + 1)
        self.nospec_result = bytearray(count + 1)
        self.alu_limits: dict[int, tuple[int, int]] = {}
        self.explore_alu_limits = False
        self.back_steps: list[tuple[int, int, int] | None] = []
        self.results: list[Result | None] = [None] * (count + 1)
        self.lessons: list[Lesson | None] = [None] * (count + 1)
        self.line_starts = [line.insn for line in program.line_info]

        self.ctx_kind: CtxKind | None = None
        self.max_ctx_offset = 0
        self.replaces = False
        self.attach_proto: t.FuncProto | None = None
        self.attach_type = program.expected_attach_type
        self.attach_name = ""
        self.attach_trusted = True
        self.skip_params = 0
        self.null_args = self.err_args = 0
        self.arg_refs: dict[int, int] = {}
        self.arg_info: dict[int, str] = {}
        self.attach_struct = ""
        self.extra_helpers: frozenset[str] = frozenset()
        self.denied_helpers = profile.denied_helpers(caps, program.prog_type)
        self.btf_store: Callable[[str, int, int], tuple[int, str] | None] | None = None

        self.state: VerifierState = VerifierState(Frame(0, 0, 0, self.read_marks), 0)
        self.frame: Frame = self.state.frames[0]
        self.insn_idx = 0
        self.prev_insn_idx = -1
        self.walking = False
        self.id_gen = 0
        self.pending: list[Pending] = []
        self.explored: dict[int, list[StateEntry]] = {}
        self.scc_visits: dict[tuple[int, ...], SccVisit] = {}
        self.parked: list[VerifierState] = []
        self.cur_history: History | None = None
        self.liveness: Liveness | None = None
        self.fastcalls = Fastcalls(0, 0)

        self.insn_processed = 0
        self.prev_insn_processed = 0
        self.jmps_processed = 0
        self.prev_jmps_processed = 0
        self.total_states = 0
        self.peak_states = 0
        self.explored_count = 0
        self.free_count = 0
        self.backedge_count = 0
        self.backedges_open = False
        self.max_states_per_insn = 0
        self.longest_mark_walk = 0
        self.reached_no_kfunc = False

        self.scratched_regs = 0
        self.scratched_slots = 0
        self.prev_log_pos = 0
        self.prev_insn_print_pos = 0
        self.prev_line: LineInfo | None = None

    # --- answers ------------------------------------------------------------
    def reject(self, errno: int, message: str) -> NoReturn:
        """Refuse the program: log the message, raise Rejection."""
        if message:
            self.log.write(message + "\n")
        insn = self.insn_idx if self.walking else None
        raise Rejection(message, errno, insn=insn, state=self.state if self.walking else None)

    def reject_quietly(self, errno: int, message: str) -> NoReturn:
        """Refuse with a message that is in the log already."""
        raise Rejection(message, errno, insn=self.insn_idx, state=self.state)

    def unsupported(self, what: str) -> NoReturn:
        """Refuse by name what this verifier doesn't know (yet)."""
        message = f"bpfvm verifier: {what} is not supported yet"
        self.log.write(message + "\n")
        insn = self.insn_idx if self.walking else None
        raise Rejection(message, EINVAL, insn=insn, state=self.state if self.walking else None, unsupported=True)

    def report(self, text: str) -> None:
        """A line for the log that decides nothing."""
        self.log.write(text + "\n")

    # --- registers ------------------------------------------------------------
    def read(self, regno: int) -> RegState:
        """The register as a source operand (kernel check_reg_arg SRC_OP)."""
        if regno >= MAX_REG:
            self.reject(EINVAL, f"R{regno} is invalid")
        self.scratched_regs |= 1 << regno
        reg = self.frame.regs[regno]
        if reg.type == NOT_INIT:
            self.reject(EACCES, f"R{regno} !read_ok")
        if self.read_marks:
            self.note_read(regno)
        return reg

    def note_read(self, regno: int) -> None:
        """Up to 6.16: where the register came from, it was read."""
        if regno < REG_FP:
            self.longest_mark_walk = max(self.longest_mark_walk, note_read(self.marks().regs[regno]))

    def note_slots(self, frameno: int, mask: int, *, written: bool) -> None:
        """The same for stack slots that are read or written as a whole."""
        marks = self.state.frames[frameno].marks
        assert marks is not None
        for spi in range(mask.bit_length()):
            if not mask >> spi & 1:
                continue
            if written:
                marks.slot(spi).live |= WRITTEN
            else:
                self.longest_mark_walk = max(self.longest_mark_walk, note_read(marks.slot(spi)))

    def marks(self) -> Marks:
        """Those of the current frame."""
        marks = self.frame.marks
        assert marks is not None
        return marks

    def may_write(self, regno: int) -> None:
        """The register is about to be written (DST_OP_NO_MARK)."""
        if regno >= REG_FP:
            if regno > REG_FP:
                self.reject(EINVAL, f"R{regno} is invalid")
            self.reject(EACCES, "frame pointer is read only")
        self.scratched_regs |= 1 << regno
        if self.read_marks:
            self.marks().regs[regno].live |= WRITTEN

    def write_unknown(self, regno: int) -> None:
        """The register gets a value of which nothing is known (DST_OP)."""
        self.may_write(regno)
        self.frame.regs[regno] = unknown()

    def new_id(self) -> int:
        """An id no other register has."""
        self.id_gen += 1
        return self.id_gen

    def clear_caller_saved(self) -> None:
        """r0..r5 after a call."""
        self.frame.regs[0:6] = [NOT_INITIALIZED] * 6
        self.scratched_regs |= 0x3F
        if self.read_marks:
            for mark in self.marks().regs[0:6]:
                mark.live |= WRITTEN

    # --- scratched = to be shown after the instruction ------------------------------------------------------------
    def scratch_slot(self, spi: int) -> None:
        """The stack slot was touched."""
        self.scratched_slots |= 1 << spi

    def scratch_all(self) -> None:
        """Show everything next time."""
        self.scratched_regs = 0xFFFF_FFFF
        self.scratched_slots = 0xFFFF_FFFF_FFFF_FFFF

    def clean_scratched(self) -> None:
        """Shown."""
        self.scratched_regs = 0
        self.scratched_slots = 0

    # --- what is asked often ------------------------------------------------------------
    def in_sleepable(self) -> bool:
        """The code being looked at may sleep (kernel in_sleepable)."""
        return self.program.sleepable or self.state.in_sleepable

    def in_rcu(self) -> bool:
        """RCU-protected pointers stay valid here (kernel in_rcu_cs)."""
        state = self.state
        return bool(state.active_rcu_lock or state.active_locks) or not self.in_sleepable()

    def set_state(self, state: VerifierState) -> None:
        """Make `state` the current one."""
        self.state = state
        self.frame = state.frames[-1]

    def push_history(self) -> History:
        """The current instruction's history entry, made if there is none yet."""
        entry = self.cur_history
        if entry is None:
            entry = self.cur_history = History(self.insn_idx, self.prev_insn_idx)
            self.state.history.append(entry)
        return entry

    def helper_proto(self, number: int) -> HelperProto | None:
        """Prototype of a helper that this program may call, if it is known."""
        name = HELPERS.get(number, "")
        if name in self.denied_helpers:
            return None
        if name in self.extra_helpers:
            return self.profile.proto(self.program.prog_type, name)
        return self.profile.helper(self.program.prog_type, number)

    def call_name(self, insn: Insn, i: int) -> str | None:
        """Name of a called kfunc for the disassembler."""
        if insn.src != 2:
            return None
        if not insn.imm:
            return ""  # the kernel's BTF id 0 has the empty name
        meta = self.kfuncs.get(insn.imm)
        return meta.name if meta is not None else None
