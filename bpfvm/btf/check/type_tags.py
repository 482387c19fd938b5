# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The last pass: where type tags stand (kernel/bpf/btf.c:btf_check_type_tags, 6.18)."""

from __future__ import annotations

from errno import EINVAL, ELOOP

from bpfvm.btf.check import record as r
from bpfvm.btf.check.log import Log
from bpfvm.btf.check.record import Record

MAX_CHAIN = 32


def check_type_tags(records: list[Record], log: Log) -> None:
    """Type tags stand before the other modifiers of a chain. Raises Refused."""
    good = 0
    for record in records[1:]:
        if record.kind not in r.MODIFIERS:
            continue
        left, in_tags, here = MAX_CHAIN, record.kind == r.TYPE_TAG, record
        while here.kind in r.MODIFIERS:
            if not left:
                log.refuse("Max chain length or cycle detected", ELOOP, record.at)
            left -= 1
            if here.kind != r.TYPE_TAG:
                in_tags = False
            elif not in_tags:
                log.refuse("Type tags don't precede modifiers", EINVAL, record.at)
            if here.id <= good:
                break
            here = records[here.word]
        good = record.id
