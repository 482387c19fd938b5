# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The emulated kernel's memory: bytes at virtual kernel addresses that are the same on every run.

Interpreter, compiled code and Python all work on one mapping; an address is translated by subtracting ``Memory.BASE``.
"""

from __future__ import annotations

from collections.abc import Callable
from mmap import mmap
from struct import Struct

from bpfvm.errors import KernelReport, SyscallError, UsageError
from bpfvm.memory.allocator import PAGE, Allocator, Block
from bpfvm.memory.fault import MemoryFault
from bpfvm.memory.kasan import access_report, free_report
from bpfvm.memory.mapping import host_address, reserve, zero
from bpfvm.memory.shadow import SLAB_FREE, SLAB_REDZONE, Shadow
from bpfvm.typed import ClassVar, Final, NoReturn

CHECKER_LEVELS: Final = ("off", "list", "kasan")
ENOMEM = 12
_BASE: Final = 0xFFFF_8880_0000_0000
"""page_offset_base of x86-64 without KASLR; a module constant because every access subtracts it"""

_GET: dict[int, Callable[[mmap, int], tuple[int]]] = {
    size: Struct(code).unpack_from for size, code in ((1, "<B"), (2, "<H"), (4, "<I"), (8, "<Q"))
}
_PUT = {size: Struct(code).pack_into for size, code in ((1, "<B"), (2, "<H"), (4, "<I"), (8, "<Q"))}
_MASK = {1: 0xFF, 2: 0xFFFF, 4: 0xFFFF_FFFF, 8: 0xFFFF_FFFF_FFFF_FFFF}


def _raise(report: KernelReport) -> None:
    raise report


class Memory:
    """``size`` bytes at most (64 KiB … 1 TiB), little-endian, zero until written.

    ``checker``: "off" lets stale pointers read what is left there, "list" adds consistency checks to the list functions
    (bpfvm.memory.lists), "kasan" adds redzones, quarantine and shadow memory, and reports every bad access.

    ``report`` gets each KernelReport a checker makes; by default it raises it. When it returns, the access goes on
    (KASAN only reports, too). ``where`` names the running kernel function, ``task`` is (comm, pid) of the current task.
    """

    BASE: ClassVar[int] = _BASE
    __slots__ = ("_alloc", "_bytes", "_end", "checker", "report", "shadow", "size", "task", "where")

    def __init__(self, size: int = 256 << 20, checker: str = "off") -> None:
        if checker not in CHECKER_LEVELS:
            raise UsageError(f"no checker level '{checker}': choose one of {', '.join(CHECKER_LEVELS)}")
        if not 16 * PAGE <= size <= 1 << 40:
            raise UsageError(f"emulated memory of {size} bytes: choose 64 KiB to 1 TiB")
        self.size = size // PAGE * PAGE
        self.checker = checker
        self._bytes = reserve(self.size)
        self._alloc = Allocator(self.size, redzones=checker == "kasan")
        self._end = self._alloc.brk
        self.shadow = Shadow(self.size) if checker == "kasan" else None
        self.report: Callable[[KernelReport], None] = _raise
        self.where: Callable[[], str] = lambda: "unknown"
        self.task: Callable[[], tuple[str, int]] = lambda: ("swapper/0", 0)

    def close(self) -> None:
        """Give all pages back to the host; everything reads as zero from now on."""
        zero(self._bytes, 0, self.size)

    # --- allocation -------------------------------------------------------------------------------------------------
    def alloc(self, size: int, *, align: int = 8, what: str = "") -> int:
        """Address of ``size`` zeroed bytes. ``what`` names the object in reports. Raises SyscallError(ENOMEM)."""
        found = self._alloc.alloc(size, align, what)
        if found is None:
            raise SyscallError(
                ENOMEM, f"no {size} bytes left of {self.size} bytes of emulated memory (for {what or 'an object'})"
            )
        block, used = found
        if self._alloc.brk != self._end:
            self._grown()
        if self.shadow is not None:
            self.shadow.poison(block.start, block.room, SLAB_REDZONE)
            self.shadow.unpoison(block.start, size)
        if used:
            zero(self._bytes, block.start, block.room)
        return self.BASE + block.start

    def alloc_sparse(self, size: int, *, what: str = "") -> int:
        """As alloc, for a large range of which little will be used: it is page-aligned, no checker looks at it, and its
        bytes are zero unless the memory was used before. Raises SyscallError(ENOMEM)."""
        found = self._alloc.alloc(size, PAGE, what)
        if found is None:
            raise SyscallError(ENOMEM, f"no {size} bytes of addresses left of {self.size} (for {what or 'an object'})")
        self._end = self._alloc.brk
        return self.BASE + found[0].start

    def _grown(self) -> None:
        if self.shadow is not None:
            self.shadow.poison(self._end, self._alloc.brk - self._end, SLAB_REDZONE)
        self._end = self._alloc.brk

    def free(self, addr: int) -> None:
        """Give back what alloc returned; 0 is ignored (kfree). An address that isn't an object's start, and under
        kasan a second free, is reported. Otherwise the contents stay until the bytes are handed out again."""
        if addr == 0:
            return
        block = self._alloc.at(addr - _BASE)
        if block is None or (self.shadow is not None and not block.live):
            self.report(free_report(self, addr, block))
            return
        self._alloc.free(block.start)
        if self.shadow is not None:
            self.shadow.poison(block.start, -(-block.size // 8) * 8, SLAB_FREE)

    def block_at(self, addr: int) -> Block | None:
        """The object, live or freed, in whose room ``addr`` lies (its ``start`` is relative to BASE)."""
        return self._alloc.around(addr - _BASE)

    def live_blocks(self) -> list[Block]:
        """All objects in use, by address."""
        return self._alloc.live_blocks()

    # --- checked access ---------------------------------------------------------------------------------------------
    def load(self, addr: int, size: int) -> int:
        """The unsigned little-endian value of ``size`` (1, 2, 4, 8) bytes. Raises MemoryFault, KernelReport."""
        offset = addr - _BASE
        if offset < PAGE or offset + size > self._end:
            raise MemoryFault(addr, size, False)
        if self.shadow is not None and not self.shadow.allows(offset, size):
            self._bad_access(addr, size, False)
        return _GET[size](self._bytes, offset)[0]

    def store(self, addr: int, size: int, value: int) -> None:
        """Store the low ``size`` (1, 2, 4, 8) bytes of ``value``. Raises MemoryFault, KernelReport."""
        offset = addr - _BASE
        if offset < PAGE or offset + size > self._end:
            raise MemoryFault(addr, size, True)
        if self.shadow is not None and not self.shadow.allows(offset, size):
            self._bad_access(addr, size, True)
        _PUT[size](self._bytes, offset, value & _MASK[size])

    def read(self, addr: int, n: int) -> bytes:
        """``n`` bytes. Raises MemoryFault, KernelReport."""
        offset = addr - _BASE
        if n <= 0:
            return b""
        if offset < PAGE or offset + n > self._end:
            self._fault(addr, n, False)
        if self.shadow is not None and not self.shadow.allows(offset, n):
            self._bad_access(addr, n, False)
        return self._bytes[offset : offset + n]

    def write(self, addr: int, data: bytes) -> None:
        """Store ``data``. Raises MemoryFault (nothing is written then), KernelReport."""
        offset, n = addr - _BASE, len(data)
        if n == 0:
            return
        if offset < PAGE or offset + n > self._end:
            self._fault(addr, n, True)
        if self.shadow is not None and not self.shadow.allows(offset, n):
            self._bad_access(addr, n, True)
        self._bytes[offset : offset + n] = data

    def _fault(self, addr: int, n: int, write: bool) -> NoReturn:
        """The fault is at the first byte that isn't mapped, as the processor says."""
        end = self.BASE + self._end
        raise MemoryFault(end if self.BASE + PAGE <= addr < end else addr, n, write)

    def _bad_access(self, addr: int, size: int, write: bool) -> None:
        self.report(access_report(self, addr, size, write))

    # --- unchecked access -------------------------------------------------------------------------------------------
    def valid(self, addr: int, n: int) -> bool:
        """Are there ``n`` bytes at ``addr`` (mapped; whether they are allocated doesn't matter)?"""
        offset = addr - _BASE
        return offset >= PAGE and offset + n <= self._end

    def read_nofault(self, addr: int, n: int) -> bytes | None:
        """``n`` bytes, or None where no memory is; no checker looks (mm/maccess.c copy_from_kernel_nofault)."""
        if n == 0:
            return b""
        if n < 0 or not self.valid(addr, n):
            return None
        offset = addr - _BASE
        return self._bytes[offset : offset + n]

    def load_nofault(self, addr: int, size: int) -> int:
        """As load, but 0 where no memory is and no checker: a fault-tolerant load of a program (BPF_PROBE_MEM)."""
        offset = addr - _BASE
        if offset < PAGE or offset + size > self._end:
            return 0
        return _GET[size](self._bytes, offset)[0]

    @property
    def end(self) -> int:
        """First address behind all memory that was ever handed out; grows with alloc."""
        return self.BASE + self._end

    @property
    def host_address(self) -> int:
        """Where address BASE lies in this process, for compiled code."""
        return host_address(self._bytes)

    # --- words ------------------------------------------------------------------------------------------------------
    def u64(self, addr: int) -> int:
        """Load 8 bytes."""
        return self.load(addr, 8)

    def set_u64(self, addr: int, value: int) -> None:
        """Store 8 bytes."""
        self.store(addr, 8, value)

    def cstring(self, addr: int, limit: int) -> bytes:
        """Bytes at ``addr`` up to a NUL (left out), at most ``limit``. Raises MemoryFault, KernelReport."""
        out = bytearray()
        while len(out) < limit and (byte := self.load(addr + len(out), 1)):
            out.append(byte)
        return bytes(out)
