# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which helper goes with which type of map, both ways: kernel/bpf/verifier.c check_map_func_compatibility (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.obj.model import MapSpec
from verifier.env import Env
from verifier.program.attach_types import TRACE_ITER
from verifier.rejection import EINVAL

_PERF: Final = "perf_event_read perf_event_output skb_output perf_event_read_value xdp_output"
_RINGBUF: Final = (
    "ringbuf_output ringbuf_reserve ringbuf_query ringbuf_reserve_dynptr ringbuf_submit_dynptr ringbuf_discard_dynptr"
)
ONLY_HELPERS: Final[dict[str, frozenset[str]]] = {
    name: frozenset(helpers.split())
    for name, helpers in {
        "prog_array": "tail_call",
        "perf_event_array": _PERF,
        "ringbuf": _RINGBUF,
        "user_ringbuf": "user_ringbuf_drain",
        "stack_trace": "get_stackid",
        "cgroup_array": "skb_under_cgroup current_task_under_cgroup",
        "cgroup_storage": "get_local_storage",
        "percpu_cgroup_storage": "get_local_storage",
        "devmap": "redirect_map map_lookup_elem",
        "devmap_hash": "redirect_map map_lookup_elem",
        "cpumap": "redirect_map",
        "xskmap": "redirect_map map_lookup_elem",
        "array_of_maps": "map_lookup_elem",
        "hash_of_maps": "map_lookup_elem",
        "sockmap": "sk_redirect_map sock_map_update msg_redirect_map sk_select_reuseport map_lookup_elem",
        "sockhash": "sk_redirect_hash sock_hash_update msg_redirect_hash sk_select_reuseport map_lookup_elem",
        "reuseport_sockarray": "sk_select_reuseport",
        "queue": "map_peek_elem map_pop_elem map_push_elem",
        "stack": "map_peek_elem map_pop_elem map_push_elem",
        "sk_storage": "sk_storage_get sk_storage_delete kptr_xchg",
        "inode_storage": "inode_storage_get inode_storage_delete kptr_xchg",
        "task_storage": "task_storage_get task_storage_delete kptr_xchg",
        "cgrp_storage": "cgrp_storage_get cgrp_storage_delete kptr_xchg",
        "bloom_filter": "map_peek_elem map_push_elem",
        "insn_array": "",
    }.items()
}
"""Map types that only some helpers take; every other type takes any."""
ONLY_MAPS: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(_PERF.split(), frozenset(("perf_event_array",))),
    **dict.fromkeys(_RINGBUF.split(), frozenset(("ringbuf",))),
    "tail_call": frozenset(("prog_array",)),
    "user_ringbuf_drain": frozenset(("user_ringbuf",)),
    "get_stackid": frozenset(("stack_trace",)),
    "current_task_under_cgroup": frozenset(("cgroup_array",)),
    "skb_under_cgroup": frozenset(("cgroup_array",)),
    "redirect_map": frozenset(("devmap", "devmap_hash", "cpumap", "xskmap")),
    "map_pop_elem": frozenset(("queue", "stack")),
    "map_peek_elem": frozenset(("queue", "stack", "bloom_filter")),
    "map_push_elem": frozenset(("queue", "stack", "bloom_filter")),
    "map_lookup_percpu_elem": frozenset(("percpu_array", "percpu_hash", "lru_percpu_hash")),
    **dict.fromkeys(("sk_storage_get", "sk_storage_delete"), frozenset(("sk_storage",))),
    **dict.fromkeys(("sk_redirect_map", "msg_redirect_map", "sock_map_update"), frozenset(("sockmap",))),
    **dict.fromkeys(("sk_redirect_hash", "msg_redirect_hash", "sock_hash_update"), frozenset(("sockhash",))),
    "get_local_storage": frozenset(("cgroup_storage", "percpu_cgroup_storage")),
    "sk_select_reuseport": frozenset(("reuseport_sockarray", "sockmap", "sockhash")),
    **dict.fromkeys(("inode_storage_get", "inode_storage_delete"), frozenset(("inode_storage",))),
    **dict.fromkeys(("task_storage_get", "task_storage_delete"), frozenset(("task_storage",))),
    **dict.fromkeys(("cgrp_storage_get", "cgrp_storage_delete"), frozenset(("cgrp_storage",))),
}
"""Helpers that only take some map types."""


_SOCKMAP_WRITERS_TEXT: Final = """
socket_filter sched_cls sched_act xdp sk_reuseport flow_dissector sk_lookup
"""
SOCKMAP_WRITERS: Final = frozenset(_SOCKMAP_WRITERS_TEXT.split())
"""Program types that run where no socket is locked."""


def _may_update_sockmap(env: Env, helper: str) -> bool:
    """Programs of the type may put sockets into maps and take them out (may_update_sockmap)."""
    if helper not in ("map_update_elem", "map_delete_elem"):
        return False
    prog_type = env.program.prog_type
    if prog_type in SOCKMAP_WRITERS or (prog_type == "tracing" and env.attach_type == TRACE_ITER):
        return True
    if prog_type == "sock_ops" and helper == "map_delete_elem":
        return True
    env.report("cannot update sockmap in this context")
    return False


def check_map_compat(env: Env, map_: MapSpec | None, helper: str, number: int) -> None:
    """The call's map and helper go together."""
    if map_ is None:
        return
    helpers, maps = ONLY_HELPERS.get(map_.map_type), ONLY_MAPS.get(helper)
    sockets = map_.map_type in ("sockmap", "sockhash")
    wrong = helpers is not None and helper not in helpers and not (sockets and _may_update_sockmap(env, helper))
    if wrong or (maps is not None and map_.map_type not in maps):
        env.reject(EINVAL, f"cannot pass map_type {env.profile.map_type(map_)} into func bpf_{helper}#{number}")
