# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Measures all programs on all engines: interleaved rounds, medians, ratios to native."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from math import exp, log
from statistics import median
from typing import Any

from bench.build import NAMES, compile_bpf, compile_native, program
from bench.runners import Compiling, OnEngine, Repeat, engines, instructions, kernel, native
from bench.start import measure_start
from bpfvm.obj.model import ObjectSpec, Program

OURS = ("interp", "fast", "jit")
UNDER_KASAN = ("fast", "jit")
LONG_ENOUGH = 0.01
"""Seconds that one timing is to take."""
MOST = 1_000_000
CALLBACK = "policy"
"""The program that is a callback: short, and called very often."""

Log = Callable[[str], None]
Rounds = dict[str, list[float]]
"""Seconds of one run in each round, by engine."""


def measure(rounds: int, say: Log, names: Sequence[str] = NAMES) -> dict[str, Any]:
    """All figures as JSON-able data.

    Per program and engine: the median seconds of a run, the median of its ratios to native and to the kernel (each of
    one round), millions of BPF instructions a second; the geometric means of those over the programs. Per program: how
    many ms until compiled code can be called, by tier and from disk. For the callback: ns in a batch, µs one by one. To
    start the conformance plug-in and a Python that does nothing: ms. Raises AssertionError when engines disagree."""
    spec, machine_code = compile_bpf(), compile_native()
    programs = {name: _program(spec, name, machine_code, rounds, say) for name in names}
    found = {
        "machine": f"{platform.machine()} {platform.system()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "rounds": rounds,
        "programs": programs,
        "geometric_mean": _means(programs),
    }
    found["start"] = measure_start(rounds)
    if CALLBACK in names:
        found["callback"] = _callback(program(spec, CALLBACK), rounds)
    return found


def _program(
    spec: ObjectSpec, name: str, machine_code: dict[str, Callable[[int], int]] | None, rounds: int, say: Log
) -> dict[str, Any]:
    linked = program(spec, name)
    ours = {engine: OnEngine(linked, engine) for engine in engines(OURS)}
    ours |= {f"{engine}, kasan": OnEngine(linked, engine, "kasan") for engine in engines(UNDER_KASAN)}
    repeats: dict[str, Repeat] = {engine: each.repeat for engine, each in ours.items()}
    in_kernel = kernel(linked)
    if in_kernel is not None:
        repeats["kernel"] = in_kernel
    results = {each.result for each in ours.values()}
    if machine_code is not None:
        repeats["native"] = native(machine_code[name])
        results.add(machine_code[name](1) & 0xFFFFFFFF)
    if len(results) != 1:
        raise AssertionError(f"{name}: engines disagree: {results}")
    seconds, count = _interleaved(repeats, rounds), instructions(linked)
    shown = ", ".join(f"{each} {median(values) * 1e6:.3g} µs" for each, values in seconds.items())
    say(f"{name}: {count} instructions, {shown}")
    return {
        "instructions": count,
        "engines": {engine: _figures(engine, seconds, count) for engine in seconds},
        "ready_ms": _latency(linked, rounds),
    }


def _interleaved(repeats: dict[str, Repeat], rounds: int) -> Rounds:
    times = {engine: _enough(repeat) for engine, repeat in repeats.items()}
    found: Rounds = {engine: [] for engine in repeats}
    for _ in range(rounds):
        for engine, repeat in repeats.items():
            found[engine].append(repeat(times[engine]) / times[engine])
    return found


def _enough(repeat: Repeat) -> int:
    """How many runs take LONG_ENOUGH."""
    times = 1
    while times < MOST and (taken := repeat(times)) < LONG_ENOUGH:
        times = min(MOST, max(times * 2, int(times * LONG_ENOUGH / max(taken, 1e-7))))
    return times


def _figures(engine: str, seconds: Rounds, count: int) -> dict[str, float]:
    typical = median(seconds[engine])
    figures = {"seconds": typical, "minsn_per_s": round(count / typical / 1e6, 2)}
    for key, other in (("ratio", "native"), ("to_kernel", "kernel")):
        if other in seconds:
            pairs = zip(seconds[engine], seconds[other], strict=True)
            figures[key] = round(median(ours / theirs for ours, theirs in pairs), 3)
    return figures


def _latency(linked: Program, rounds: int) -> dict[str, float]:
    if not engines(("jit",)):
        return {}
    compiling = Compiling(linked)
    ways = {
        "quick": lambda: compiling.compile("quick"),
        "best": lambda: compiling.compile("best"),
        "reload": compiling.reload,
    }
    found: Rounds = {way: [] for way in ways}
    for _ in range(rounds):
        for way, run in ways.items():
            found[way].append(run())
    return {way: round(median(values) * 1e3, 2) for way, values in found.items()}


def _callback(linked: Program, rounds: int) -> dict[str, dict[str, float]]:
    """By engine: what one call costs, the callback's own work included."""
    found: dict[str, dict[str, float]] = {}
    for engine in engines(OURS):
        each = OnEngine(linked, engine)
        ways: dict[str, Repeat] = {"one_by_one_us": each.one_by_one}
        if engine == "jit":
            ways["batched_ns"] = each.repeat
        times = {way: _enough(repeat) for way, repeat in ways.items()}
        for way, repeat in ways.items():
            typical = median(repeat(times[way]) / times[way] for _ in range(rounds))
            found.setdefault(engine, {})[way] = round(typical * (1e9 if way == "batched_ns" else 1e6), 2)
    return found


def _means(programs: dict[str, Any]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    shared = set.intersection(*(set(each["engines"]) for each in programs.values()))
    for engine in sorted(shared):
        for what in ("minsn_per_s", "ratio", "to_kernel"):
            values = [each["engines"][engine].get(what) for each in programs.values()]
            if all(values):
                found.setdefault(engine, {})[what] = round(exp(sum(map(log, values)) / len(values)), 2)
    return found
