# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Reading object files, BPF and native; the only place that knows pyelftools."""

from __future__ import annotations

from bpfvm.elf.model import ElfObject, ElfReloc, Section, Symbol
from bpfvm.elf.native import NativeFunction, native_functions
from bpfvm.elf.reader import read_elf

__all__ = ["ElfObject", "ElfReloc", "NativeFunction", "Section", "Symbol", "native_functions", "read_elf"]
