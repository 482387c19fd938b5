# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Trampolines: kernel addresses that, when called, run a program on its arguments (bpf_struct_ops.c,
arch_prepare_bpf_trampoline)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from errno import E2BIG
from typing import TYPE_CHECKING, NoReturn

from bpfvm.errors import KernelReport, SyscallError
from bpfvm.events import Event
from bpfvm.struct_ops.constants import MAX_BPF_FUNC_ARGS, MAX_TRAMP_IMAGE_PAGES, PAGE_SIZE
from bpfvm.struct_ops.func_model import FuncModel

if TYPE_CHECKING:
    from bpfvm.struct_ops.kernel import Kernel
    from bpfvm.struct_ops.progs import LoadedProg

IMAGE_BASE = 0xFFFF_FFFF_A000_0000
_FIXED_SIZE = 160
_SIZE_PER_SLOT = 8
_CTX_SIZE = MAX_BPF_FUNC_ARGS * 16


@dataclass(frozen=True, slots=True)
class ProgramCalled(Event):
    """A member was called: its arguments as given, and what the C caller got back."""

    program: str
    prog_id: int
    type_name: str
    member: str
    args: tuple[int | bytes, ...]
    returned: int


@dataclass(frozen=True, slots=True)
class Trampoline:
    """One published address; holds no reference, its map does."""

    addr: int
    size: int
    type_name: str
    member: str
    model: FuncModel
    prog: LoadedProg

    @property
    def symbol(self) -> str:
        """Its name in kallsyms."""
        return f"bpf__{self.type_name}_{self.member}"


class TrampolineArea:
    """The executable pages of one map, filled from the front; a trampoline never crosses a page."""

    __slots__ = ("_owner", "_used", "items", "pages")

    def __init__(self, owner: Trampolines) -> None:
        self._owner = owner
        self._used = PAGE_SIZE
        self.pages: list[int] = []
        self.items: list[Trampoline] = []

    def add(self, type_name: str, member: str, model: FuncModel, prog: LoadedProg) -> Trampoline:
        """Make a trampoline for one member. Raises SyscallError E2BIG when eight pages don't suffice."""
        size = self._owner.size_of(model)
        if self._used + size > PAGE_SIZE:
            if len(self.pages) >= MAX_TRAMP_IMAGE_PAGES:
                raise SyscallError(
                    E2BIG, f"struct {type_name} needs more than {MAX_TRAMP_IMAGE_PAGES} trampoline pages"
                )
            self.pages.append(self._owner.new_page())
            self._used = 0
        made = Trampoline(self.pages[-1] + self._used, size, type_name, member, model, prog)
        self._used += size
        self.items.append(made)
        self._owner.live[made.addr] = made
        return made

    def free(self) -> None:
        """Give everything back: from now on calling one of the addresses is a page fault."""
        for each in self.items:
            del self._owner.live[each.addr]
            self._owner.freed[each.addr] = each.symbol
        self.items.clear()
        self.pages.clear()
        self._used = PAGE_SIZE


class Trampolines:
    """All trampolines of a kernel. Addresses are never used twice, so a stale one is always recognised."""

    __slots__ = ("_contexts", "_kernel", "_next_page", "_symbols", "freed", "live")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._next_page = IMAGE_BASE
        self._contexts: list[int] = []
        self._symbols: dict[int, str] = {}
        self.live: dict[int, Trampoline] = {}
        self.freed: dict[int, str] = {}

    def new_page(self) -> int:
        """The address of a fresh page."""
        page = self._next_page
        self._next_page += PAGE_SIZE
        return page

    def size_of(self, model: FuncModel) -> int:
        """Bytes of code a trampoline for this prototype takes (an estimate of what the x86-64 JIT emits)."""
        return _FIXED_SIZE + _SIZE_PER_SLOT * (model.ctx_size >> 3)

    def area(self) -> TrampolineArea:
        """Empty executable space for one map."""
        return TrampolineArea(self)

    def publish(self, area: TrampolineArea) -> None:
        """Add an area's symbols to kallsyms."""
        self._symbols.update((each.addr, each.symbol) for each in area.items)

    def unpublish(self, area: TrampolineArea) -> None:
        """Take an area's symbols out of kallsyms."""
        for each in area.items:
            self._symbols.pop(each.addr, None)

    def symbols(self) -> Iterator[tuple[int, str]]:
        """(address, name) of all published trampolines, ascending."""
        return iter(sorted(self._symbols.items()))

    def symbol_of(self, addr: int) -> str:
        """The published name of an address, "" when there is none."""
        return self._symbols.get(addr, "")

    def call(self, addr: int, args: Sequence[int | bytes]) -> int:
        """Call the function at ``addr`` as C would; returns the value of the member's return type (0 for void).

        Arguments go to 8-byte slots of a context in emulated memory; the program runs inside an RCU read-side section
        (RCU tasks trace when it is sleepable).
        An address that isn't a live trampoline is a page fault (KernelOops), or a KernelReport with the kasan checker.
        """
        found = self.live.get(addr)
        if found is None:
            self._bad_call(addr)
        kernel, rcu = self._kernel, self._kernel.rcu
        context = self._contexts.pop() if self._contexts else self._new_context()
        kernel.memory.write(context, found.model.pack(args))
        enter, leave = (
            (rcu.read_lock_trace, rcu.read_unlock_trace) if found.prog.sleepable else (rcu.read_lock, rcu.read_unlock)
        )
        enter()
        kernel.call_stack.append(found.symbol)
        try:
            returned = found.model.convert_return(found.prog.run(context))
        finally:
            kernel.call_stack.pop()
            self._contexts.append(context)
            leave()
        if kernel.sink.active:
            prog = found.prog
            kernel.sink.emit(
                ProgramCalled(prog.full_name, prog.id, found.type_name, found.member, tuple(args), returned)
            )
        return returned

    def _new_context(self) -> int:
        return self._kernel.memory.alloc(_CTX_SIZE, align=8, what="trampoline context")

    def _bad_call(self, addr: int) -> NoReturn:
        symbol = self.freed.get(addr)
        if symbol is not None and self._kernel.checker == "kasan":
            caller = self._kernel.call_stack[-1] if self._kernel.call_stack else "?"
            self._kernel.report(
                KernelReport(
                    "kasan",
                    f"BUG: KASAN: use-after-free in {caller}\n"
                    f"Execution of freed trampoline {symbol} at addr {addr:016x}",
                )
            )
        self._kernel.page_fault(addr, "exec")
