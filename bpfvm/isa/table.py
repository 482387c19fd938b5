# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The instruction set, one row per operation: encoding, text, meaning, origin.

Everything that must agree about instructions is derived from these rows: decoding (`op_of`), which fields are
reserved (`reserved_ok`), disassembler and assembler (both read `Op.text`), documentation, the names of the
interpreter's and the verifier's functions, and the generators of the property tests.

Sources: RFC 9669 (sections are given per row); for what the RFC doesn't have, Linux 6.18 `include/uapi/linux/bpf.h`
and `kernel/bpf/verifier.c` (`may_goto` and `addr_space_cast` since 6.9, `load_acquire` and `store_release` since 6.15).
"""

from __future__ import annotations

from collections.abc import Iterator

from bpfvm.isa.insn import Insn
from bpfvm.typed import Final, NamedTuple

LD, LDX, ST, STX, ALU, JMP, JMP32, ALU64 = range(8)
CLASS_NAMES: Final = ("ld", "ldx", "st", "stx", "alu", "jmp", "jmp32", "alu64")
REG: Final = 0x08
"""The source bit: set when the second operand is `src`, clear when it is `imm` (RFC 9669 section 4)."""

FIELDS: Final = {"dst": 1, "src": 2, "off": 3, "imm": 4}
"""Operand fields of an instruction and their index in `Insn`."""


class Op(NamedTuple):
    """One encoding of one operation.

    code: opcode byte.
    name: the operation's name, shared with interpreter and verifier; rows of several widths and sizes may have it.
    cls: instruction class in lower case, `alu` .. `stx`.
    width: 32 or 64, the bits of register operands that take part; for le/be/bswap 64 only when 64 bits are swapped.
    size: bytes of memory accessed (loads, stores, atomics), of the source taken (movsx), or swapped (le, be, bswap);
        0 where that has no meaning.
    operand: second operand: `imm`, `reg` or `none`.
    fetch: an atomic that returns what was in memory.
    cpu: lowest `-mcpu=v1..v4` that has the encoding.
    text: the disassembly, with `{field:how}` for operands; see `disasm` for the `how`s.
    doc: what it does, one line.
    rfc: section of RFC 9669, or "" for what Linux has beyond it.
    group: RFC 9669 conformance group, or "" beyond it.
    match: `(field, value)` that tells this row from others with the same code.
    refused: known, but neither verifier nor engines accept it.
    ignored: operand fields that mean nothing, but may be other than zero.
    fields: operand fields that may be other than zero.
    reserved: the other ones, as indices in `Insn`.
    """

    code: int
    name: str
    cls: str
    width: int
    size: int
    operand: str
    fetch: bool
    cpu: int
    text: str
    doc: str
    rfc: str
    group: str
    match: tuple[str, int] | None = None
    refused: bool = False
    ignored: tuple[str, ...] = ()
    fields: frozenset[str] = frozenset()
    reserved: tuple[int, ...] = ()


def _completed(row: Op) -> Op:
    used = {operand.partition("}")[0].partition(":")[0] for operand in row.text.split("{")[1:]}
    used |= {row.match[0]} if row.match else set()
    fields = frozenset(used.union(row.ignored))
    return row._replace(fields=fields, reserved=tuple(at for name, at in FIELDS.items() if name not in fields))


_ALU_OPS: Final = (
    # name, code, sign, lowest cpu, doc
    ("add", 0x00, "+=", 1, "dst += operand"),
    ("sub", 0x10, "-=", 1, "dst -= operand"),
    ("mul", 0x20, "*=", 1, "dst *= operand"),
    ("div", 0x30, "/=", 1, "dst /= operand, unsigned; 0 when the operand is 0"),
    ("sdiv", 0x30, "s/=", 4, "dst /= operand, signed, truncating; 0 when the operand is 0"),
    ("or", 0x40, "|=", 1, "dst |= operand"),
    ("and", 0x50, "&=", 1, "dst &= operand"),
    ("lsh", 0x60, "<<=", 1, "dst <<= operand, of which the low 6 (5) bits count"),
    ("rsh", 0x70, ">>=", 1, "dst >>= operand, filling with zeros; the low 6 (5) bits count"),
    ("mod", 0x90, "%=", 1, "dst %= operand, unsigned; unchanged when the operand is 0"),
    ("smod", 0x90, "s%=", 4, "dst %= operand, signed, sign of dst; unchanged when the operand is 0"),
    ("xor", 0xA0, "^=", 1, "dst ^= operand"),
    ("mov", 0xB0, "=", 1, "dst = operand"),
    ("arsh", 0xC0, "s>>=", 1, "dst >>= operand, filling with the sign; the low 6 (5) bits count"),
)
_ALU_OFF: Final = {"div": 0, "sdiv": 1, "mod": 0, "smod": 1}
_JUMP_OPS: Final = (
    # name, code, sign, lowest cpu, doc
    ("jeq", 0x10, "==", 1, "jump if dst == operand"),
    ("jgt", 0x20, ">", 1, "jump if dst > operand, unsigned"),
    ("jge", 0x30, ">=", 1, "jump if dst >= operand, unsigned"),
    ("jset", 0x40, "&", 1, "jump if dst & operand has a bit set"),
    ("jne", 0x50, "!=", 1, "jump if dst != operand"),
    ("jsgt", 0x60, "s>", 1, "jump if dst > operand, signed"),
    ("jsge", 0x70, "s>=", 1, "jump if dst >= operand, signed"),
    ("jlt", 0xA0, "<", 2, "jump if dst < operand, unsigned"),
    ("jle", 0xB0, "<=", 2, "jump if dst <= operand, unsigned"),
    ("jslt", 0xC0, "s<", 2, "jump if dst < operand, signed"),
    ("jsle", 0xD0, "s<=", 2, "jump if dst <= operand, signed"),
)
_SIZE_BITS: Final = {4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18}
_ATOMIC_OPS: Final = (("add", 0x00, "+="), ("or", 0x40, "|="), ("and", 0x50, "&="), ("xor", 0xA0, "^="))
_IMM64: Final = (
    # src, RFC section, doc
    (0, "5.4", "dst = the 64 bits given"),
    (1, "5.4.1", "dst = address of the map that imm names"),
    (2, "5.4.1", "dst = address inside the value of the map that imm names"),
    (3, "5.4.2", "dst = address of the kernel variable with BTF id imm"),
    (4, "5.4", "dst = the function at this place, for a callback"),
    (5, "5.4.1", "dst = address of the map at index imm of the load's map array"),
    (6, "5.4.1", "dst = address inside the value of the map at index imm of the load's map array"),
)


def _alu_rows() -> Iterator[Op]:
    for width, cls, r in ((32, ALU, "w"), (64, ALU64, "r")):
        for name, code, sign, cpu, doc in _ALU_OPS:
            group = f"divmul{width}" if name in ("mul", "div", "sdiv", "mod", "smod") else f"base{width}"
            match = ("off", _ALU_OFF[name]) if name in _ALU_OFF else None
            for operand, bit, text in (("imm", 0, "{imm}"), ("reg", REG, f"{r}{{src}}")):
                which = ("off", 0) if (name, operand) == ("mov", "reg") else match
                yield Op(code | bit | cls, name, CLASS_NAMES[cls], width, 0, operand, False, cpu,
                         f"{r}{{dst}} {sign} {text}", doc, "4.1", group, which)  # fmt: skip
        for bits in (8, 16, 32)[: 2 if width == 32 else 3]:
            yield Op(0xB0 | REG | cls, "movsx", CLASS_NAMES[cls], width, bits >> 3, "reg", False, 4,
                     f"{r}{{dst}} = (s{bits}){r}{{src}}", f"dst = low {bits} bits of src, sign-extended", "4.1",
                     f"base{width}", ("off", bits))  # fmt: skip
        yield Op(0x80 | cls, "neg", CLASS_NAMES[cls], width, 0, "none", False, 1,
                 f"{r}{{dst}} = -{r}{{dst}}", "dst = -dst", "4.1", f"base{width}")  # fmt: skip
    yield Op(0xBF, "addr_space_cast", "alu64", 64, 0, "reg", False, 3,
             "r{dst} = addr_space_cast(r{src}, {imm:hi}, {imm:lo})",
             "dst = the arena pointer src, from one address space to the other", "", "", ("off", 1))  # fmt: skip


def _byte_swap_rows() -> Iterator[Op]:
    kinds = (
        (0xD4, "le", "alu", 1, "host to little-endian order"),
        (0xDC, "be", "alu", 1, "host to big-endian order"),
        (0xD7, "bswap", "alu64", 4, "reversed"),
    )
    for code, name, cls, cpu, how in kinds:
        for bits in (16, 32, 64):
            width = 64 if bits == 64 else 32
            yield Op(code, name, cls, width, bits >> 3, "none", False, cpu, f"r{{dst}} = {name}{bits} r{{dst}}",
                     f"dst = its low {bits} bits, {how}", "4.2", f"base{width}", ("imm", bits))  # fmt: skip


def _jump_rows() -> Iterator[Op]:
    for width, cls, r in ((64, JMP, "r"), (32, JMP32, "w")):
        for name, code, sign, cpu, doc in _JUMP_OPS:
            for operand, bit, text in (("imm", 0, "{imm:x}"), ("reg", REG, f"{r}{{src}}")):
                yield Op(code | bit | cls, name, CLASS_NAMES[cls], width, 0, operand, False, cpu if width == 64 else 3,
                         f"if {r}{{dst}} {sign} {text} goto pc{{off:+}}", doc, "4.3", f"base{width}")  # fmt: skip


_FLOW_ROWS: Final = (
    Op(0x05, "ja", "jmp", 64, 0, "none", False, 1, "goto pc{off:+}", "jump", "4.3", "base32"),
    Op(0x06, "ja", "jmp32", 32, 0, "imm", False, 4, "gotol pc{imm:+}", "jump, far", "4.3", "base32"),
    Op(0xE5, "may_goto", "jmp", 64, 0, "none", False, 4, "may_goto pc{off:+}",
       "jump once the program's budget of such steps is used up", "", "", ("src", 0)),
    Op(0x85, "call", "jmp", 64, 0, "imm", False, 1, "call {imm:helper}",
       "r0 = helper function imm, called with r1..r5", "4.3.1", "base32", ("src", 0)),
    Op(0x85, "call_local", "jmp", 64, 0, "imm", False, 1, "call pc{imm:+}",
       "r0 = function of this program, called with r1..r5; r6..r9 and r10 are kept", "4.3.2", "base32", ("src", 1)),
    Op(0x85, "call_kfunc", "jmp", 64, 0, "imm", False, 1, "call {imm:kfunc}",
       "r0 = kernel function with BTF id imm, called with r1..r5; off picks the module", "4.3.1", "base32",
       ("src", 2), ignored=("off",)),
    Op(0x8D, "callx", "jmp", 64, 0, "reg", False, 3, "callx r{dst}",
       "call the address in dst", "", "", refused=True, ignored=("imm",)),
    Op(0x0D, "gotox", "jmp", 64, 0, "reg", False, 4, "gotox r{dst}",
       "jump to the address in dst", "", "", refused=True),
    Op(0x95, "exit", "jmp", 64, 0, "none", False, 1, "exit", "return r0", "4.3", "base32", ignored=("off",)),
)  # fmt: skip


def _memory_rows() -> Iterator[Op]:
    for size, bits in _SIZE_BITS.items():
        u, group, width = f"u{size * 8}", "base64" if size == 8 else "base32", 64
        yield Op(0x61 | bits, "ldx", "ldx", width, size, "reg", False, 1, f"r{{dst}} = *({u} *)(r{{src}} {{off:+}})",
                 "dst = memory at src + off, zero-extended", "5.1", group)  # fmt: skip
        yield Op(0x62 | bits, "st", "st", width, size, "imm", False, 1, f"*({u} *)(r{{dst}} {{off:+}}) = {{imm}}",
                 "memory at dst + off = imm, sign-extended", "5.1", group)  # fmt: skip
        yield Op(0x63 | bits, "stx", "stx", width, size, "reg", False, 1, f"*({u} *)(r{{dst}} {{off:+}}) = r{{src}}",
                 "memory at dst + off = low bytes of src", "5.1", group)  # fmt: skip
        if size < 8:
            yield Op(0x81 | bits, "ldxs", "ldx", width, size, "reg", False, 4,
                     f"r{{dst}} = *(s{size * 8} *)(r{{src}} {{off:+}})",
                     "dst = memory at src + off, sign-extended", "5.2", group)  # fmt: skip
            yield Op(0x20 | bits, "ld_abs", "ld", width, size, "imm", False, 1, f"r0 = *({u} *)skb[{{imm}}]",
                     "r0 = packet bytes at imm, big-endian; returns 0 when outside", "5.5", "packet")  # fmt: skip
            yield Op(0x40 | bits, "ld_ind", "ld", width, size, "reg", False, 1,
                     f"r0 = *({u} *)skb[r{{src}} + {{imm}}]",
                     "r0 = packet bytes at src + imm, big-endian; returns 0 when outside", "5.5", "packet")  # fmt: skip
    for src, rfc, doc in _IMM64:
        yield Op(0x18, "ld_imm64", "ld", 64, 8, "imm", False, 1, "r{dst} = {imm:64}", doc, rfc, "base64",
                 ("src", src))  # fmt: skip


def _atomic_rows() -> Iterator[Op]:
    for size, bits in _SIZE_BITS.items():
        code, mem, n = 0xC3 | bits, f"(u{size * 8} *)(r{{dst}} {{off:+}})", "64" if size == 8 else ""
        width, group = (64, "atomic64") if size == 8 else (32, "atomic32")
        yield Op(code, "load_acquire", "stx", width, size, "reg", False, 4,
                 f"r{{dst}} = load_acquire((u{size * 8} *)(r{{src}} {{off:+}}))",
                 "dst = memory at src + off, ordered before what follows", "", "", ("imm", 0x100))  # fmt: skip
        yield Op(code, "store_release", "stx", width, size, "reg", False, 4, f"store_release({mem}, r{{src}})",
                 "memory at dst + off = src, ordered after what precedes", "", "", ("imm", 0x110))  # fmt: skip
        if size < 4:
            continue
        for name, imm, sign in _ATOMIC_OPS:
            yield Op(code, f"atomic_{name}", "stx", width, size, "reg", False, 1 if name == "add" else 3,
                     f"lock *{mem} {sign} r{{src}}", f"memory at dst + off {sign} src, at once", "5.3", group,
                     ("imm", imm))  # fmt: skip
            yield Op(code, f"atomic_{name}", "stx", width, size, "reg", True, 3,
                     f"r{{src}} = atomic{n}_fetch_{name}({mem}, r{{src}})",
                     f"memory at dst + off {sign} src; src = old memory", "5.3", group, ("imm", imm | 1))  # fmt: skip
        yield Op(code, "xchg", "stx", width, size, "reg", True, 3, f"r{{src}} = atomic{n}_xchg({mem}, r{{src}})",
                 "memory at dst + off and src change places, at once", "5.3", group, ("imm", 0xE1))  # fmt: skip
        yield Op(code, "cmpxchg", "stx", width, size, "reg", True, 3,
                 f"r0 = atomic{n}_cmpxchg({mem}, r0, r{{src}})",
                 "memory at dst + off = src if it is r0; r0 = what was there", "5.3", group, ("imm", 0xF1))  # fmt: skip


_ROWS: Final = (*_alu_rows(), *_byte_swap_rows(), *_jump_rows(), *_FLOW_ROWS, *_memory_rows(), *_atomic_rows())
OPS: Final = tuple(map(_completed, _ROWS))
"""All rows."""

NAMES: Final = frozenset(op.name for op in OPS)
"""All operation names."""


def _by_code() -> list[Op | tuple[int, dict[int, Op]] | None]:
    table: list[Op | tuple[int, dict[int, Op]] | None] = [None] * 256
    for op in OPS:
        if op.match is None:
            table[op.code] = op
            continue
        where, value = FIELDS[op.match[0]], op.match[1]
        slot = table[op.code]
        if slot is None or isinstance(slot, Op):
            table[op.code] = slot = (where, {})
        slot[1][value] = op
    return table


_BY_CODE: Final = _by_code()


def op_of(insn: Insn) -> Op | None:
    """The row that encodes `insn`, or None if there is none (unknown opcode byte or discriminator)."""
    slot = _BY_CODE[insn[0]]
    if slot is None or isinstance(slot, Op):
        return slot
    return slot[1].get(insn[slot[0]])


def reserved_ok(insn: Insn) -> bool:
    """True if all fields that `insn`'s operation doesn't use are zero (False too for an invalid encoding).

    What Linux 6.18 doesn't check counts as usable: `off` of `exit`. The second slot of ld_imm64 is not looked at.
    """
    op = op_of(insn)
    return op is not None and not any(insn[i] for i in op.reserved)


def is_wide(insn: Insn) -> bool:
    """True if `insn` takes two slots."""
    return insn[0] == 0x18
