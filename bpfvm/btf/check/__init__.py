# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the kernel says to BTF when it is loaded (BPF_BTF_LOAD): errno and log, as kernel/bpf/btf.c of 6.18."""

from __future__ import annotations

from bpfvm.btf.check.check import BtfVerdict, check_btf, validate

__all__ = ["BtfVerdict", "check_btf", "validate"]
