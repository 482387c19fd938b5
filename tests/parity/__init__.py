# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The table of the kernel's checks in docs/parity.md: its rows as data, its states measured on our suite."""
