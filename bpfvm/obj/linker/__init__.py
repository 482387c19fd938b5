# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Static linking: several object files to one, as ``bpftool gen object`` does (libbpf's linker.c, 1.7)."""

from __future__ import annotations

from bpfvm.obj.linker.linker import link_files, link_objects

__all__ = ["link_files", "link_objects"]
