# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The program of a seed: blocks at random, functions; half of them changed a little afterwards."""

from __future__ import annotations

import random
from typing import Final

from bpfvm.isa.insn import Insn
from tests.fuzz.verifier import code as c
from tests.fuzz.verifier.blocks import PLAIN
from tests.fuzz.verifier.call_blocks import CALLS, any_kfunc
from tests.fuzz.verifier.callback_blocks import CALLBACKS, VMA_CALLBACKS
from tests.fuzz.verifier.generate import NOTHING, NUM, Gen
from tests.fuzz.verifier.kernel_blocks import OBJECTS, interrupts, iterate, load_arguments, members
from tests.fuzz.verifier.memory_blocks import MEMORY, packet, packet_load
from tests.fuzz.verifier.mutate import mutate
from tests.fuzz.verifier.object_blocks import DYNPTRS, ITERATORS, PACKETS
from tests.fuzz.verifier.sample import Sample

MAX_INSNS: Final = 400
PROG_TYPES: Final = (
    *("socket_filter", "socket_filter", "xdp", "xdp", "syscall", "syscall", "struct_ops", "struct_ops"),
    *("raw_tracepoint", "kprobe", "tracepoint"),
)
OTHER_TYPES: Final = (
    *(
        "sched_cls",
        "sched_cls",
        "sched_cls",
        "cgroup_skb",
        "cgroup_skb",
        "lwt_in",
        "lwt_xmit",
        "sk_skb",
        "flow_dissector",
    ),
    *("sock_ops", "sk_msg", "cgroup_device", "perf_event", "raw_tracepoint_writable"),
)
_FEWER_OBJECTS: Final = tuple((block, weight // 4 + 1) for block, weight in OBJECTS)
_SPECIAL: Final = {
    "socket_filter": ((packet_load, 2), (iterate, 1), *PACKETS),
    "sched_cls": ((packet_load, 2), (packet, 15), (iterate, 1), (any_kfunc, 3), *PACKETS),
    **dict.fromkeys(("cgroup_skb", "sk_skb"), ((packet_load, 2), (packet, 15), (iterate, 1), *PACKETS)),
    **dict.fromkeys(("lwt_in", "lwt_xmit"), ((packet_load, 2), (packet, 15), (iterate, 1), *PACKETS)),
    **dict.fromkeys(("flow_dissector", "sock_ops", "sk_msg", "cgroup_device"), ((iterate, 1), *PACKETS)),
    "xdp": ((packet, 25), (iterate, 1), *PACKETS),
    "syscall": (*_FEWER_OBJECTS, (iterate, 1), (any_kfunc, 3), *ITERATORS, *VMA_CALLBACKS),
    "struct_ops": (*OBJECTS, (iterate, 1), (any_kfunc, 4), *ITERATORS, *VMA_CALLBACKS),
}
_TRACING: Final = (*_FEWER_OBJECTS, (iterate, 1), (any_kfunc, 2), *ITERATORS, *VMA_CALLBACKS)


def sample(seed: int, types: tuple[str, ...] = PROG_TYPES) -> Sample:
    """The program of this seed, of one of the types."""
    rng = random.Random(seed)
    prog_type = rng.choice(types)
    g = Gen(rng, prog_type)
    rows = (*PLAIN, *MEMORY, *CALLS, *DYNPTRS, *CALLBACKS, (interrupts, 1), *_SPECIAL.get(prog_type, _TRACING))
    g.blocks = [block for block, _ in rows]
    g.weights = [weight for _, weight in rows]
    g.code.emit(c.mov(6, 1))
    g.regs[1] = g.regs[6] = ("ctx", 0)
    member = 0
    if prog_type == "struct_ops":
        member, proto = rng.choice(members()[:-1])
        load_arguments(g, proto)
    else:
        for reg in rng.sample((7, 8, 9), rng.randint(1, 3)):
            g.fresh_number(reg)
    g.some_blocks(rng.randint(2, 9))
    g.finish()
    _functions(g)
    insns = g.code.finish()
    if rng.random() < 0.4:
        insns = mutate(rng, insns)
    sleepable = prog_type == "syscall" or rng.random() < (0.2 if prog_type == "struct_ops" else 0.01)
    return Sample(
        insns,
        prog_type,
        member,
        every_state=rng.random() < 0.25,
        strict=rng.random() < 0.04,
        sleepable=sleepable,
        license="Proprietary" if rng.random() < 0.04 else "GPL",
        seed=seed,
    )


def _functions(g: Gen) -> None:
    """The functions that were called; they may call more."""
    done = 0
    while done < len(g.functions):
        name, held = g.functions[done]
        g.out = f"out{done}"
        g.in_callback, g.dynptrs = name in g.callbacks, []
        done += 1
        g.regs = [NOTHING, *held, *[NOTHING] * 4]
        g.stack = set()
        g.code.place(name)
        if len(g.code.insns) < MAX_INSNS and done < 5:
            if g.chance(50):
                g.code.emit(c.mov(7, 1))
                g.regs[7] = g.regs[1]
            g.some_blocks(g.rng.randint(1, 3))
            g.finish()
        else:
            g.code.emit(c.const(0, 0), Insn(c.EXIT))
            g.regs[0] = NUM
