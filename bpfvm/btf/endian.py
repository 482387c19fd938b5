# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BTF and BTF.ext of big-endian objects, turned round: but for a few header fields and strings all is 32-bit words."""

from __future__ import annotations

import struct

_BIG_MAGIC = b"\xeb\x9f"
_BTF_HEADER = ">HBBIIIII"
_EXT_HEAD = ">HBBI"


def is_big_endian(data: bytes | memoryview) -> bool:
    """Whether a .BTF or .BTF.ext section begins with the magic number of the other byte order."""
    return bytes(data[:2]) == _BIG_MAGIC


def little_endian_btf(data: bytes) -> bytes:
    """A .BTF section in little-endian order; one that is so already, or too short to tell, as it is."""
    size = struct.calcsize(_BTF_HEADER)
    if not is_big_endian(data) or len(data) < size:
        return data
    header = struct.unpack_from(_BTF_HEADER, data)
    _magic, _version, _flags, hdr_len, type_off, type_len, _str_off, _str_len = header
    start = min(hdr_len + type_off, len(data))
    end = min(start + type_len, len(data))
    swapped = struct.pack("<" + _BTF_HEADER[1:], *header)
    return swapped + data[size:start] + _words(data[start:end]) + data[end:] if start >= size else data


def little_endian_ext(data: bytes) -> bytes:
    """The same for a .BTF.ext section."""
    size = struct.calcsize(_EXT_HEAD)
    if not is_big_endian(data) or len(data) < size:
        return data
    return struct.pack("<" + _EXT_HEAD[1:], *struct.unpack_from(_EXT_HEAD, data)) + _words(data[size:])


def _words(data: bytes) -> bytes:
    """Each 32-bit word turned round; bytes after the last whole one stay."""
    count = len(data) >> 2
    words = struct.unpack_from(f">{count}I", data)
    return struct.pack(f"<{count}I", *words) + data[4 * count :]
