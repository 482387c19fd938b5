# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Bits of ``mm_struct.flags`` that the emulation keeps (include/linux/mm_types.h, 6.18)."""

from __future__ import annotations

MMF_VM_HUGEPAGE = 1 << 17
MMF_HUGE_ZERO_FOLIO = 1 << 18
MMF_OOM_SKIP = 1 << 21
MMF_UNSTABLE = 1 << 22
MMF_DISABLE_THP_EXCEPT_ADVISED = 1 << 23
MMF_DISABLE_THP_COMPLETELY = 1 << 24

MMF_DISABLE_THP_MASK = MMF_DISABLE_THP_COMPLETELY | MMF_DISABLE_THP_EXCEPT_ADVISED
MMF_INIT_MASK = MMF_DISABLE_THP_MASK
"""What a new mm takes over from the one of its creator (mm_flags_init, mmf_init_legacy_flags)."""
