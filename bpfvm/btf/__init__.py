# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BTF, the type format of BPF: read, look up, write, print. Usable without the rest of bpfvm."""

from __future__ import annotations

from bpfvm.btf.btf import Btf

__all__ = ["Btf"]
