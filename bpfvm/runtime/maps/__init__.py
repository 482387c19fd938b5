# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Map kinds, one file each, and the table that finds them."""

from __future__ import annotations

from typing import Final

from bpfvm.runtime.maps.array import ArrayMap
from bpfvm.runtime.maps.base import Map
from bpfvm.runtime.maps.hash import HashMap
from bpfvm.runtime.maps.lru_hash import LruHashMap, LruPercpuHashMap
from bpfvm.runtime.maps.percpu_array import PercpuArrayMap
from bpfvm.runtime.maps.percpu_hash import PercpuHashMap
from bpfvm.runtime.maps.prog_array import ProgArrayMap
from bpfvm.runtime.maps.queue_stack import QueueMap, StackMap
from bpfvm.runtime.maps.ringbuf import RingbufMap

KINDS: Final[dict[str, type[Map]]] = {
    kind.kind: kind
    for kind in (
        ArrayMap,
        PercpuArrayMap,
        HashMap,
        PercpuHashMap,
        LruHashMap,
        LruPercpuHashMap,
        RingbufMap,
        ProgArrayMap,
        QueueMap,
        StackMap,
    )
}
__all__ = [
    "KINDS",
    "ArrayMap",
    "HashMap",
    "LruHashMap",
    "LruPercpuHashMap",
    "Map",
    "PercpuArrayMap",
    "PercpuHashMap",
    "ProgArrayMap",
    "QueueMap",
    "RingbufMap",
    "StackMap",
]
