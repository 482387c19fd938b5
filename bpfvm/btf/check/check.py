# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A whole .BTF section as BPF_BTF_LOAD sees it (kernel/bpf/btf.c:btf_parse, 6.18)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from errno import E2BIG, EINVAL

from bpfvm.btf.btf import Btf
from bpfvm.btf.check import record as r
from bpfvm.btf.check.log import Log, Refused
from bpfvm.btf.check.meta import check_meta
from bpfvm.btf.check.record import Names, Record
from bpfvm.btf.check.resolve import Resolver
from bpfvm.btf.check.type_tags import check_type_tags
from bpfvm.btf.index import HEADER, MAGIC
from bpfvm.errors import ENOTSUPP, BadInput, errno_name
from bpfvm.isa.word import s32

MAX_SIZE = 16 << 20
_HDR_LEN_END = 8
_FIELDS = ("magic", "version", "flags", "hdr_len", "type_off", "type_len", "str_off", "str_len")


@dataclass(frozen=True, slots=True)
class BtfVerdict:
    """``errno`` 0: the kernel would take it. ``log``: the kernel's of log level 1; ``offset``: where the culprit is."""

    errno: int
    log: str
    complaint: str = ""
    offset: int | None = None

    @property
    def ok(self) -> bool:
        return not self.errno


def check_btf(data: bytes) -> BtfVerdict:
    """What the kernel says to a raw .BTF section. Never raises; the bytes may be anything.

    Not looked at: the special fields of maps and allocated objects (btf_parse_struct_metas), which the verifier checks.
    """
    log = Log(Names(b""))
    if len(data) > MAX_SIZE:
        return BtfVerdict(E2BIG, "", f"{len(data)} bytes are more than {MAX_SIZE}")
    try:
        _check(data, log)
    except Refused as stop:
        return BtfVerdict(stop.errno, log.text, stop.complaint, stop.at)
    return BtfVerdict(0, log.text)


def validate(data: bytes | Btf) -> None:
    """Raises BadInput with the kernel's complaint and the offset of what it is about."""
    verdict = check_btf(data.data if isinstance(data, Btf) else data)
    if not verdict.ok:
        text = f"{verdict.complaint} [{errno_name(verdict.errno)}]"
        raise BadInput(text, section=".BTF", offset=verdict.offset)


def _check(data: bytes, log: Log) -> None:
    header = _header(data, log)
    start, type_off, type_len, str_off, str_len = header[3:]
    log.names = Names(_strings(data, start + str_off, str_len, log))
    if type_off % 4:
        log.refuse("Unaligned type_off", at=8)
    if not type_len:
        log.refuse("No type found", at=12)
    types = memoryview(data)[start + type_off : start + type_off + type_len]
    records = [r.VOID]
    at = 0
    while at < len(types):
        records.append(_next(types, at, len(records), log, start + type_off))
        at += 12 + len(records[-1].tail)
    Resolver(records, log).check_all()
    check_type_tags(records, log)


def _next(types: memoryview, at: int, type_id: int, log: Log, place: int) -> Record:
    found = check_meta(types, at, type_id, log, place)
    if type_id > r.MAX_TYPE:
        log.refuse("Exceeded max num of types", E2BIG, found.at)
    return found


def _header(data: bytes, log: Log) -> tuple[int, ...]:
    if len(data) < _HDR_LEN_END:
        log.refuse("hdr_len not found", at=0)
    (hdr_len,) = struct.unpack_from("<I", data, 4)
    if len(data) < hdr_len:
        log.refuse("btf_header not found", at=4)
    if any(data[HEADER.size : hdr_len]):
        log.refuse("Unsupported btf_header", E2BIG, at=HEADER.size)
    fields = HEADER.unpack(data[: min(hdr_len, HEADER.size)].ljust(HEADER.size, b"\0"))
    for name, value in zip(_FIELDS, fields, strict=True):
        log.write(f"{name}: {value:#x}\n" if name in ("magic", "flags") else f"{name}: {value}\n")
    log.write(f"btf_total_size: {len(data)}\n")
    magic, version, flags = fields[:3]
    if magic != MAGIC:
        log.refuse("Invalid magic", EINVAL, at=0)
    if version != 1:
        log.refuse("Unsupported version", ENOTSUPP, at=2)
    if flags:
        log.refuse("Unsupported flags", ENOTSUPP, at=3)
    if len(data) == hdr_len:
        log.refuse("No data", at=0)
    _sections(len(data) - fields[3], fields, log)
    return fields


def _sections(total: int, fields: tuple[int, ...], log: Log) -> None:
    """The type and the string section fill the file without gap or overlap (btf_check_sec_info)."""
    _magic, _version, _flags, _hdr_len, type_off, type_len, str_off, str_len = fields
    end = 0
    # the kernel compares the differences as signed 32-bit numbers
    swapped = (s32(str_off - type_off), s32(str_len - type_len)) < (0, 0)
    first, second = (type_off, type_len), (str_off, str_len)
    for offset, length in (second, first) if swapped else (first, second):
        if total < offset:
            log.refuse("Invalid section offset", at=8)
        if end != offset:
            log.refuse("Unsupported section found" if end < offset else "Section overlap found", at=8)
        if total - end < length:
            log.refuse("Total section length too long", at=8)
        end += length
    if end != total:
        log.refuse("Unsupported section found", at=8)


def _strings(data: bytes, start: int, length: int, log: Log) -> bytes:
    strings = data[start : start + length]
    if start + length != len(data):
        log.refuse("String section is not at the end", at=16)
    if not strings or len(strings) - 1 > r.MAX_NAME_OFFSET or strings[-1] or strings[0]:
        log.refuse("Invalid string section", at=start)
    return strings
