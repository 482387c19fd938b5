# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""enum tva_type: who asks which orders are allowed (include/linux/huge_mm.h, 6.18; the last one is patch 04 of
BPF-THP)."""

from __future__ import annotations

TVA_SMAPS = 0
TVA_PAGEFAULT = 1
TVA_KHUGEPAGED = 2
TVA_FORCED_COLLAPSE = 3
TVA_SWAP_PAGEFAULT = 4

TVA_NAMES = ("TVA_SMAPS", "TVA_PAGEFAULT", "TVA_KHUGEPAGED", "TVA_FORCED_COLLAPSE", "TVA_SWAP_PAGEFAULT")
