# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""From what was written on the command line to an object or to BTF."""

from __future__ import annotations

from pathlib import Path

from bpfvm.btf import Btf
from bpfvm.elf import read_elf
from bpfvm.elf.reader import MAX_FILE
from bpfvm.errors import BadInput, UsageError
from bpfvm.obj.kconfig import read_kconfig
from bpfvm.obj.kernel_btf import kernel_btf_bytes
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.open import open_object
from bpfvm.paths import find_object

_BTF_MAGIC = (b"\x9f\xeb", b"\xeb\x9f")


def open_named(written: str, kconfig: str | None = None) -> ObjectSpec:
    """The object at a path, or the shipped one of this name; ``kconfig`` is a configuration file. Raises BadInput."""
    values = read_kconfig(kconfig) if kconfig is not None else None
    return open_object(written if Path(written).exists() else find_object(written), kconfig=values)


def kernel_btf() -> Btf:
    """The emulated kernel's BTF."""
    from bpfvm.session.subsystems import find_subsystem  # the whole machine hangs on it; most commands don't need it

    found = find_subsystem("thp").kernel_btf()
    assert isinstance(found, Btf)
    return found


def read_btf(written: str, base: str | None = None) -> Btf:
    """The BTF in a file: raw, as in /sys/kernel/btf/vmlinux, or the .BTF section of an object. Raises BadInput.

    ``base``: the file that a split BTF goes on from.
    """
    data = read_btf_bytes(written)
    under = read_btf(base) if base is not None else None
    try:
        return Btf.parse(data, base=under, name=Path(written).name)
    except BadInput as error:
        error.path = error.path or written
        raise


def read_btf_bytes(written: str) -> bytes:
    """The same, not looked at yet. Raises BadInput."""
    path = Path(written) if Path(written).exists() else find_object(written)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise BadInput(f"cannot read the file: {error.strerror}", path=written) from error
    if len(data) > MAX_FILE:
        raise BadInput(f"the file is larger than the limit of {MAX_FILE} bytes", path=written)
    if data[:2] in _BTF_MAGIC:
        return data
    section = read_elf(data, str(path)).section(".BTF")
    if section is None:
        raise BadInput("no .BTF section", path=written, hint="compile with -g")
    return bytes(section.data)


def btf_for_kernel(written: str) -> bytes:
    """The bytes of a BTF file, or of an object's BTF as it is handed to the kernel. Raises BadInput."""
    data = read_btf_bytes(written)
    path = Path(written) if Path(written).exists() else find_object(written)
    with path.open("rb") as file:
        if file.read(2) in _BTF_MAGIC:
            return data
    spec = open_object(path)
    return kernel_btf_bytes(spec.btf) if spec.btf is not None else data


def types_named(btf: Btf, names: tuple[str, ...]) -> list[int] | None:
    """The ids of types by name or number, in the order asked for; None (all) without names. Raises UsageError."""
    if not names:
        return None
    found: list[int] = []
    for name in names:
        if name.isdigit():
            ids = [int(name)] if 0 < int(name) < len(btf) else []
        else:
            ids = list(btf.find_all(name.rpartition(" ")[2]))
        if not ids:
            raise UsageError(f"no type `{name}` in the BTF of {btf.name or 'this file'} ({len(btf)} types)")
        found += ids
    return found
