# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF-THP: folio orders chosen per process by a BPF program ("mm: thp: add support for BPF based THP order
selection")."""
