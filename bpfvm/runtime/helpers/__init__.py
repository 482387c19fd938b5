# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helper functions by id. Importing this package fills the table."""

from __future__ import annotations

from bpfvm.runtime.helpers import (
    basic,
    checksums,
    devices,
    dynptrs,
    ecn,
    encapsulation,
    lwt,
    map_helpers,
    misc,
    packet_bytes,
    packet_shape,
    probe,
    sockets,
    stacks,
    storage,
    syncookies,
    task_helpers,
    text,
    timers,
    tunnels,
    vlan,
)
from bpfvm.runtime.helpers.table import HELPER_TABLE, Args, Helper, helper

__all__ = [
    "HELPER_TABLE",
    "Args",
    "Helper",
    "basic",
    "checksums",
    "devices",
    "dynptrs",
    "ecn",
    "encapsulation",
    "helper",
    "lwt",
    "map_helpers",
    "misc",
    "packet_bytes",
    "packet_shape",
    "probe",
    "sockets",
    "stacks",
    "storage",
    "syncookies",
    "task_helpers",
    "text",
    "timers",
    "tunnels",
    "vlan",
]
