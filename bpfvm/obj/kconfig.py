# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A kernel's configuration file, plain or compressed, as values for ``.kconfig`` externs."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from bpfvm.errors import BadInput
from bpfvm.obj.externs import KconfigValue

MAX_SIZE = 16 << 20
_GZIP = b"\x1f\x8b"


def read_kconfig(path: str | os.PathLike[str]) -> dict[str, KconfigValue]:
    """Options that are set, by name, as ``open_object`` takes them: "y", "m", "n", numbers, strings without quotes.

    Lines that don't begin with CONFIG_ say nothing (libbpf's bpf_object__process_kconfig_line, 1.7).
    ``path``: a file such as /boot/config-6.18 or /proc/config.gz. Raises BadInput, with the number of the bad line.
    """
    found: dict[str, KconfigValue] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.startswith("CONFIG_"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise BadInput(f"line {number} is not NAME=VALUE: {line[:60]!r}", path=str(path))
        found[name] = _value(value.strip(), number, path)
    return found


def _value(text: str, line: int, path: str | os.PathLike[str]) -> KconfigValue:
    if text in ("y", "m", "n"):
        return text
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    try:
        return int(text, 0)
    except ValueError:
        raise BadInput(f"line {line}: value {text[:60]!r} is neither y, m, n nor a number", path=str(path)) from None


def _text(path: str | os.PathLike[str]) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise BadInput(f"cannot read the file: {error.strerror}", path=str(path)) from error
    if data[:2] == _GZIP:
        unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            data = unpacking.decompress(data, MAX_SIZE + 1)
        except zlib.error as error:
            raise BadInput(f"malformed gzip file: {error}", path=str(path)) from error
    if len(data) > MAX_SIZE:
        raise BadInput(f"the configuration is larger than {MAX_SIZE} bytes", path=str(path))
    return data.decode("utf-8", "replace")
