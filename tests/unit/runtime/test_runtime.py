# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.btf import Btf
from bpfvm.errors import UsageError
from bpfvm.memory import Memory, view
from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Runtime
from bpfvm.runtime.clock import BOOT_NS, INITIAL_JIFFIES, Clock
from bpfvm.runtime.prandom import Prandom

EMULATED = Path(__file__).parents[3] / "thpmm/kernel/emulated.btf"


def test_programs_can_look_into_the_map_object() -> None:
    btf = Btf.parse(EMULATED.read_bytes())
    runtime = Runtime(Memory(), btf)
    runtime.create_map(MapSpec("first", "array", 4, 8, 1))
    found = runtime.create_map(MapSpec("counters_long_name", "lru_hash", 8, 16, 32))
    seen = view(runtime.memory, btf, "bpf_map", found.addr)
    assert (seen.map_type, seen.key_size, seen.value_size, seen.max_entries, seen.id) == (9, 8, 16, 32, 2)
    assert seen.name.string() == "counters_long_n"


def test_addresses_and_ids_do_not_depend_on_the_run() -> None:
    def addresses() -> list[tuple[int, int]]:
        runtime = Runtime(Memory(), None)
        kinds = (("array", 4, 8, 100), ("hash", 4, 8, 10), ("ringbuf", 0, 0, 8192))
        return [(m.id, m.addr) for m in (runtime.create_map(MapSpec("m", *kind)) for kind in kinds)]

    assert addresses() == addresses()
    assert [number for number, _ in addresses()] == [1, 2, 3]


def test_the_clock_only_moves_when_asked() -> None:
    clock = Clock()
    assert int(clock) == clock.ns == BOOT_NS
    assert clock.read() < clock.read()
    now = clock.ns
    clock.advance(-5)
    assert clock.ns == now
    clock.ns = 0
    assert clock.jiffies64() == INITIAL_JIFFIES == 4294892296


def test_numbers_differ_by_seed_and_cpu_and_look_random() -> None:
    streams = [[generator.u32() for _ in range(200)] for generator in (Prandom(0), Prandom(0, 1), Prandom(7))]
    assert len({tuple(stream) for stream in streams}) == 3
    for stream in streams:
        ones = sum(bin(number).count("1") for number in stream)
        assert abs(ones - 3200) < 250
        assert max(stream) >> 32 == 0


def test_the_number_of_cpus_is_limited() -> None:
    for cpus in (0, 65):
        with pytest.raises(UsageError):
            Runtime(Memory(), None, cpus=cpus)


def test_kasan_reports_name_the_current_task() -> None:
    runtime = Runtime(Memory(checker="kasan"), None)
    assert runtime.memory.task() == ("swapper/0", 0)
