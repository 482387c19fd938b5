# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Steps that use memory: mappings, faults, collapse, swap, smaps."""

from __future__ import annotations

from typing import Any

from bpfvm.scenario.stage import Stage, size_in_bytes
from bpfvm.scenario.steps_process import Seen

DEFAULT_LENGTH = 2 << 20


def mmap(stage: Stage, args: dict[str, Any]) -> Seen:
    length = size_in_bytes(args.get("length", DEFAULT_LENGTH))
    options: dict[str, Any] = {}
    if "at" in args:
        options["at"] = stage.address(args["at"])
    if "prot" in args:
        options["prot"] = str(args["prot"])
    if "flags" in args:
        flags = args["flags"]
        options["flags"] = tuple(flags.replace("|", " ").split()) if isinstance(flags, str) else tuple(flags)
    if "file" in args:
        options["file"] = str(args["file"])
    address = stage.thp.mmap(args["in"], length, **options)
    stage.mappings[str(args.get("as", f"map{len(stage.mappings)}"))] = (address, length)
    return {"returns": address}


def _range(stage: Stage, args: dict[str, Any]) -> tuple[int, int]:
    return stage.address(args["at"]), stage.length(args["at"], args.get("length"))


def munmap(stage: Stage, args: dict[str, Any]) -> Seen:
    stage.thp.munmap(args["in"], *_range(stage, args))
    return {}


def madvise(stage: Stage, args: dict[str, Any]) -> Seen:
    advice = args["advice"]
    stage.thp.madvise(args["in"], *_range(stage, args), advice if isinstance(advice, int) else str(advice).lower())
    return {}


def mprotect(stage: Stage, args: dict[str, Any]) -> Seen:
    stage.thp.mprotect(args["in"], *_range(stage, args), str(args["prot"]))
    return {}


def fault(stage: Stage, args: dict[str, Any]) -> Seen:
    if "at" in args and not args.get("fresh"):
        result = stage.thp.fault(args["in"], stage.address(args["at"]), str(args.get("access", "write")))
    else:
        result = stage.thp.fresh_fault(args["in"])
    return {"order": result.order, "huge": result.order >= 9, "kind": result.kind, "signal": result.signal}


def collapse(stage: Stage, args: dict[str, Any]) -> Seen:
    return {"collapsed": stage.thp.collapse(args["in"], *_range(stage, args)).collapsed}


def khugepaged(stage: Stage, args: dict[str, Any]) -> Seen:
    return {"collapsed": stage.thp.khugepaged(int(args.get("scans", 1))).collapsed}


def swap_out(stage: Stage, args: dict[str, Any]) -> Seen:
    return {"returns": stage.thp.swap_out(args["in"], *_range(stage, args))}


def swap_in(stage: Stage, args: dict[str, Any]) -> Seen:
    result = stage.thp.swap_in(args["in"], stage.address(args["at"]))
    return {"order": result.order, "kind": result.kind}


def smaps(stage: Stage, args: dict[str, Any]) -> Seen:
    entries = stage.thp.smaps(args["of"], args.get("reader")).entries
    if "at" in args:
        address = stage.address(args["at"])
        entries = tuple(entry for entry in entries if entry.start <= address < entry.end)
    return {
        "THPeligible": int(any(entry.THPeligible for entry in entries)),
        "AnonHugePages": sum(entry.AnonHugePages for entry in entries),
    }
