# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""kfuncs on things of which the emulated machine has none: connection tracking entries, IPsec states, users' keys, slab
caches, DMA buffers, cgroup hierarchies of version 1 (net/netfilter/nf_conntrack_bpf.c, net/xfrm/xfrm_state_bpf.c,
kernel/trace/bpf_trace.c, mm/slab_common.c, kernel/bpf/{kmem_cache_iter,dmabuf_iter,helpers}.c; 6.18).

Their arguments are checked as the kernel does; then there is nothing to be found.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.isa.word import s32, u32
from bpfvm.runtime.helpers.table import Args
from bpfvm.runtime.kfuncs.table import KFUNCS, kfunc

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

CURRENT_NETNS: Final = -1
IPPROTO_TCP, IPPROTO_UDP = 6, 17
CT_OPTS_SIZES: Final = (16, 12)
"""struct bpf_ct_opts: netns_id, error, l4proto, dir, zone, zone's dir, 3 reserved bytes; and its first version"""
CT_ERROR_AT, CT_PROTO_AT, CT_ZONE_AT, CT_ZONE_DIR_AT, CT_RESERVED_AT = 4, 8, 10, 12, 13
DEFAULT_ZONE_DIR: Final = 3
TUPLES: Final = (12, 36)
XFRM_OPTS_SIZE: Final = 36
"""struct bpf_xfrm_state_opts: error, netns_id, …"""
SYSTEM_KEYRINGS: Final = 2
"""VERIFY_USE_PLATFORM_KEYRING, the largest number of one"""
KEY_SIZE: Final = 16
"""sizeof(struct bpf_key)"""


# --- the network ----------------------------------------------------------------------------------------------------
def _ct_error(rt: Runtime, opts: int, size: int, tuple_size: int) -> int:
    """The errno of a look-up (__bpf_nf_ct_lookup)."""
    if size not in CT_OPTS_SIZES:
        return -errno.EINVAL
    whole, netns = size == CT_OPTS_SIZES[0], s32(rt.memory.load(opts, 4))
    if any(rt.memory.read(opts + CT_RESERVED_AT, 3) if whole else rt.memory.read(opts + CT_ZONE_AT, 2)):
        return -errno.EINVAL
    if rt.memory.load(opts + CT_PROTO_AT, 1) not in (IPPROTO_TCP, IPPROTO_UDP):
        return -errno.EPROTO
    if netns < CURRENT_NETNS:
        return -errno.EINVAL
    if tuple_size not in TUPLES:
        return -errno.EAFNOSUPPORT
    if netns >= 0:
        return -errno.ENONET
    if whole and not rt.memory.load(opts + CT_ZONE_DIR_AT, 1):
        rt.memory.store(opts + CT_ZONE_DIR_AT, 1, DEFAULT_ZONE_DIR)
    return -errno.ENOENT


def _ct_lookup(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(ctx, tuple, its size, struct bpf_ct_opts, its size) → 0, the errno is in the options."""
    opts = args[3]
    rt.memory.store(opts + CT_ERROR_AT, 4, _ct_error(rt, opts, u32(args[4]), u32(args[2])))
    return 0


KFUNCS["bpf_skb_ct_lookup"] = KFUNCS["bpf_xdp_ct_lookup"] = _ct_lookup


@kfunc
def xdp_get_xfrm_state(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(xdp, struct bpf_xfrm_state_opts, its size) → 0, the errno is in the options."""
    opts, size = args[1], u32(args[2])
    if size < 4:
        return 0
    netns = s32(rt.memory.load(opts + 4, 4)) if size == XFRM_OPTS_SIZE else CURRENT_NETNS - 1
    found = -errno.EINVAL if netns < CURRENT_NETNS else -errno.ENONET if netns >= 0 else -errno.ENOENT
    rt.memory.store(opts, 4, found)
    return 0


# --- keys -----------------------------------------------------------------------------------------------------------
@kfunc
def lookup_user_key(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(serial number, flags) → 0: no task has keys."""
    return 0


@kfunc
def lookup_system_key(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(number) → a struct bpf_key of one of the kernel's keyrings, 0 for a number that none has."""
    if args[0] > SYSTEM_KEYRINGS:
        return 0
    made = rt.memory.alloc(KEY_SIZE, what="bpf_key")
    rt.memory.store(made, 8, args[0])
    return made


@kfunc
def key_put(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(key): give it back."""
    rt.memory.free(args[0])
    return 0


# --- memory and cgroups ---------------------------------------------------------------------------------------------
@kfunc
def get_kmem_cache(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(address) → 0: it is in no slab cache."""
    return 0


@kfunc
def task_get_cgroup1(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(task, hierarchy) → 0: there is only the default hierarchy."""
    return 0


def _iter_new(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator) → 0."""
    rt.memory.store(args[0], 8, 0)
    return 0


def _iter_nothing(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator) → 0: the next one, or nothing at all when it ends."""
    return 0


for _kind in ("kmem_cache", "dmabuf"):
    KFUNCS[f"bpf_iter_{_kind}_new"] = _iter_new
    KFUNCS[f"bpf_iter_{_kind}_next"] = KFUNCS[f"bpf_iter_{_kind}_destroy"] = _iter_nothing
