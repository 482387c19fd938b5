# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The kinds of CO-RE relocations (enum bpf_core_relo_kind, include/uapi/linux/bpf.h, 6.18) and their short names."""

from __future__ import annotations

from typing import Final

FIELD_BYTE_OFFSET: Final = 0
FIELD_BYTE_SIZE: Final = 1
FIELD_EXISTS: Final = 2
FIELD_SIGNED: Final = 3
FIELD_LSHIFT_U64: Final = 4
FIELD_RSHIFT_U64: Final = 5
TYPE_ID_LOCAL: Final = 6
TYPE_ID_TARGET: Final = 7
TYPE_EXISTS: Final = 8
TYPE_SIZE: Final = 9
ENUMVAL_EXISTS: Final = 10
ENUMVAL_VALUE: Final = 11
TYPE_MATCHES: Final = 12

NAMES: Final = (
    "byte_off",
    "byte_sz",
    "field_exists",
    "signed",
    "lshift_u64",
    "rshift_u64",
    "local_type_id",
    "target_type_id",
    "type_exists",
    "type_size",
    "enumval_exists",
    "enumval_value",
    "type_matches",
)
FIELD_KINDS: Final = frozenset(range(FIELD_BYTE_OFFSET, FIELD_RSHIFT_U64 + 1))
TYPE_KINDS: Final = frozenset((TYPE_ID_LOCAL, TYPE_ID_TARGET, TYPE_EXISTS, TYPE_SIZE, TYPE_MATCHES))
ENUM_KINDS: Final = frozenset((ENUMVAL_EXISTS, ENUMVAL_VALUE))


def kind_name(kind: int) -> str:
    """libbpf's short name of a kind, "unknown" for others."""
    return NAMES[kind] if 0 <= kind < len(NAMES) else "unknown"
