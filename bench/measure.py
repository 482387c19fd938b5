# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Measures all programs on all engines: interleaved rounds, medians, ratios to native."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from math import exp, log
from statistics import median
from typing import Any

from bench.build import NAMES, compile_bpf, compile_native, program
from bench.runners import OnEngine, Repeat, engines, instructions, kernel, native

OURS = ("interp", "fast", "jit")
LONG_ENOUGH = 0.04
"""Seconds that one timing is to take."""
MOST = 1_000_000

Log = Callable[[str], None]


def measure(rounds: int, say: Log, names: Sequence[str] = NAMES) -> dict[str, Any]:
    """All figures as JSON-able data.

    Per program and engine: the median seconds of a run, its ratio to native, millions of BPF instructions a second. Per
    engine: the geometric means of both. Raises AssertionError when engines disagree about a result."""
    spec, machine_code = compile_bpf(), compile_native()
    programs: dict[str, Any] = {}
    for name in names:
        linked = program(spec, name)
        ours = {engine: OnEngine(linked, engine) for engine in engines(OURS)}
        if "fast" in ours:
            ours["fast, kasan"] = OnEngine(linked, "fast", "kasan")
        repeats: dict[str, Repeat] = {engine: each.repeat for engine, each in ours.items()}
        in_kernel = kernel(linked)
        if in_kernel is not None:
            repeats["kernel"] = in_kernel
        if machine_code is not None:
            repeats["native"] = native(machine_code[name])
        count = instructions(linked)
        results = {each.result for each in ours.values()}
        if machine_code is not None:
            results.add(machine_code[name](1) & 0xFFFFFFFF if name != "policy" else next(iter(results)))
        if len(results) != 1:
            raise AssertionError(f"{name}: engines disagree: {results}")
        seconds = _interleaved(repeats, rounds)
        shown = ", ".join(f"{each} {value * 1e6:.3g} µs" for each, value in seconds.items())
        say(f"{name}: {count} instructions, {shown}")
        programs[name] = {
            "instructions": count,
            "engines": {engine: _figures(value, seconds, count) for engine, value in seconds.items()},
            "compile_ms": {engine: round(each.compile_ms, 2) for engine, each in ours.items()},
        }
    return {
        "machine": f"{platform.machine()} {platform.system()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "rounds": rounds,
        "programs": programs,
        "geometric_mean": _means(programs),
    }


def _interleaved(repeats: dict[str, Repeat], rounds: int) -> dict[str, float]:
    """Median seconds of one run per engine."""
    times = {engine: _enough(repeat) for engine, repeat in repeats.items()}
    found: dict[str, list[float]] = {engine: [] for engine in repeats}
    for _ in range(rounds):
        for engine, repeat in repeats.items():
            found[engine].append(repeat(times[engine]) / times[engine])
    return {engine: median(values) for engine, values in found.items()}


def _enough(repeat: Repeat) -> int:
    """How many runs take LONG_ENOUGH."""
    times = 1
    while times < MOST and (taken := repeat(times)) < LONG_ENOUGH:
        times = min(MOST, max(times * 2, int(times * LONG_ENOUGH / max(taken, 1e-7))))
    return times


def _figures(value: float, seconds: dict[str, float], count: int) -> dict[str, float]:
    figures = {"seconds": value, "minsn_per_s": round(count / value / 1e6, 2)}
    if "native" in seconds:
        figures["ratio"] = round(value / seconds["native"], 3)
    return figures


def _means(programs: dict[str, Any]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    shared = set.intersection(*(set(each["engines"]) for each in programs.values()))
    for engine in sorted(shared):
        for what in ("minsn_per_s", "ratio"):
            values = [each["engines"][engine].get(what) for each in programs.values()]
            if all(values):
                found.setdefault(engine, {})[what] = round(exp(sum(map(log, values)) / len(values)), 2)
    return found
