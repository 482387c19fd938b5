# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Map kinds, one file each, and the table that finds them."""

from __future__ import annotations

from typing import Final

from bpfvm.runtime.maps.arena import ArenaMap
from bpfvm.runtime.maps.array import ArrayMap
from bpfvm.runtime.maps.base import Map
from bpfvm.runtime.maps.bloom_filter import BloomFilterMap
from bpfvm.runtime.maps.cgroup_storage import CgroupStorageMap, PercpuCgroupStorageMap
from bpfvm.runtime.maps.hash import HashMap
from bpfvm.runtime.maps.local_storage import (
    CgrpStorageMap,
    InodeStorageMap,
    LocalStorageMap,
    SkStorageMap,
    TaskStorageMap,
)
from bpfvm.runtime.maps.lpm_trie import LpmTrieMap
from bpfvm.runtime.maps.lru_hash import LruHashMap, LruPercpuHashMap
from bpfvm.runtime.maps.map_in_map import ArrayOfMapsMap, HashOfMapsMap
from bpfvm.runtime.maps.percpu_array import PercpuArrayMap
from bpfvm.runtime.maps.percpu_hash import PercpuHashMap
from bpfvm.runtime.maps.perf_event_array import PerfEventArrayMap
from bpfvm.runtime.maps.prog_array import ProgArrayMap
from bpfvm.runtime.maps.queue_stack import QueueMap, StackMap
from bpfvm.runtime.maps.ringbuf import RingbufMap
from bpfvm.runtime.maps.stack_trace import StackTraceMap
from bpfvm.runtime.maps.unemulated import UNEMULATED
from bpfvm.runtime.maps.user_ringbuf import UserRingbufMap

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
        LpmTrieMap,
        ArrayOfMapsMap,
        HashOfMapsMap,
        BloomFilterMap,
        StackTraceMap,
        PerfEventArrayMap,
        UserRingbufMap,
        TaskStorageMap,
        InodeStorageMap,
        SkStorageMap,
        CgrpStorageMap,
        CgroupStorageMap,
        PercpuCgroupStorageMap,
        ArenaMap,
        *UNEMULATED,
    )
}
__all__ = [
    "KINDS",
    "ArenaMap",
    "ArrayMap",
    "ArrayOfMapsMap",
    "BloomFilterMap",
    "CgroupStorageMap",
    "HashMap",
    "HashOfMapsMap",
    "LocalStorageMap",
    "LpmTrieMap",
    "LruHashMap",
    "LruPercpuHashMap",
    "Map",
    "PercpuArrayMap",
    "PercpuHashMap",
    "PerfEventArrayMap",
    "ProgArrayMap",
    "QueueMap",
    "RingbufMap",
    "StackMap",
    "StackTraceMap",
    "UserRingbufMap",
]
