# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""CO-RE: adapting a program to the types of the kernel it is loaded into."""

from __future__ import annotations

from bpfvm.core_reloc.relocate import Candidate, CoreResult, explain, relocate

__all__ = ["Candidate", "CoreResult", "explain", "relocate"]
