# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Scores of a run: a table, build/conformance*.json, and the baseline that may only grow."""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bpfvm.conform.pool import Record

Records = dict[str, dict[str, Record]]
Scores = dict[str, dict[str, Any]]
BASELINE = Path(__file__).resolve().parent / "baseline.json"


def _share(agree: int, total: int) -> dict[str, int]:
    return {"agree": agree, "total": total}


def _count(records: Iterable[Record], key: str) -> dict[str, int]:
    found = [bool(record.get(key)) for record in records]
    return _share(sum(found), len(found))


def score(suite: str, records: Mapping[str, Record]) -> dict[str, Any]:
    """One suite's numbers. Cases that only have an unprivileged mode count in ``unpriv`` alone."""
    judged = [record for record in records.values() if record.get("priv", True)]
    found: dict[str, Any] = {
        "verdict": _count(judged, "agree"),
        "unsafe": sum(record.get("category") == "unsafe" for record in judged),
    }
    for word in ("crash", "timeout", "memory"):
        found[word] = sum(record["ours"] == word for record in judged)
    found["unsupported"] = sum(record.get("category", "").startswith("unsupported") for record in judged)
    if suite in ("a", "b"):
        found["full"] = _count(judged, "full")
        found["messages"] = _count((r for r in judged if r.get("has_messages") and r.get("agree")), "messages")
        found["retval"] = _count((r for r in judged if r.get("has_retval")), "retval")
        found |= _unprivileged([record["unprivileged"] for record in records.values() if "unprivileged" in record])
        found["out_of_scope"] = {word: sum(bool(r.get(word)) for r in judged) for word in ("xlated", "jited")}
    if suite == "c":
        loaded = [record for record in judged if record["ours"] == "success"]
        found |= {"verdict": _count(loaded, "agree"), "loaded": _share(len(loaded), len(judged))}
    if suite == "d":
        found |= _work(judged)
    return found


def _unprivileged(judged: list[Record]) -> dict[str, Any]:
    """The same programs, loaded without capabilities."""
    return {
        "unpriv": _count(judged, "agree"),
        "unpriv_full": _count(judged, "full"),
        "unpriv_messages": _count((r for r in judged if r.get("has_messages") and r.get("agree")), "messages"),
        "unpriv_retval": _count((r for r in judged if r.get("has_retval")), "retval"),
        "unpriv_unsafe": sum(record.get("category") == "unsafe" for record in judged),
    }


def _work(judged: Iterable[Record]) -> dict[str, Any]:
    """Processed instructions and states beside the kernel's, over the programs that both accept."""
    both = [r for r in judged if r.get("agree") and r["expected"] == "success" and r["kernel_insns"]]
    ratios = sorted(r["stats"]["processed"] / r["kernel_insns"] for r in both)
    near = sum(0.9 <= ratio <= 1.1 for ratio in ratios)
    states = sorted(r["stats"]["total_states"] / r["kernel_states"] for r in both if r["kernel_states"])
    return {
        "insns_within_10_percent": _share(near, len(ratios)),
        "insns_ratio_median": round(statistics.median(ratios), 3) if ratios else None,
        "states_ratio_median": round(statistics.median(states), 3) if states else None,
    }


def shrunk(scores: Scores, baseline: Scores) -> list[str]:
    """What is worse than the baseline, in words. A case for which the machine was too slow proves nothing."""
    worse = []
    for suite, found in scores.items():
        before, slow = baseline.get(suite, {}), found.get("timeout", 0)
        for key in ("verdict", "full", "messages", "retval", "unpriv", "unpriv_full", "loaded"):
            old, new = before.get(key), found.get(key)
            if old and new and new["agree"] + slow < old["agree"]:
                worse.append(f"suite {suite}: {key} {new['agree']}/{new['total']}, was {old['agree']}/{old['total']}")
        for key in ("unsafe", "unpriv_unsafe"):
            if found.get(key, 0) > before.get(key, found.get(key, 0)):
                worse.append(f"suite {suite}: {found[key]} {key}, was {before[key]}")
    return worse


def table(scores: Scores) -> str:
    """The numbers for people."""
    lines = [f"{'suite':6}{'what':26}{'agree':>7}{'of':>7}{'':>9}"]
    for suite, found in scores.items():
        for key, value in found.items():
            if isinstance(value, dict) and "agree" in value:
                percent = f"{100 * value['agree'] / value['total']:.1f} %" if value["total"] else "-"
                lines.append(f"{suite:6}{key:26}{value['agree']:7}{value['total']:7}{percent:>9}")
            else:
                lines.append(f"{suite:6}{key:26}{value!s:>7}")
    return "\n".join(lines)


def _reason(record: Record) -> str:
    return str(record.get("category") or record.get("run_category", "?"))


def categories(records: Records) -> str:
    """The most frequent reasons for disagreement."""
    lines = []
    for suite, cases in records.items():
        counts = Counter(
            _reason(record)
            for record in cases.values()
            if record.get("priv", True) and not record.get("full", record.get("agree"))
        )
        lines += [f"suite {suite}: {count:5}  {category}" for category, count in counts.most_common(25)]
        unpriv = [case["unprivileged"] for case in cases.values() if "unprivileged" in case]
        counts = Counter(_reason(record) for record in unpriv if not record["full"])
        lines += [f"suite {suite}: {count:5}  unprivileged: {category}" for category, count in counts.most_common(25)]
    return "\n".join(lines)


def _merge(path: Path, found: Mapping[str, Any]) -> None:
    """Suites that weren't run this time keep what they had."""
    before = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(before | dict(found), indent=1) + "\n")


def finish(records: Records, build: Path, *, update: bool, compare: bool) -> int:
    """Save and print everything; the exit code: 1 when the run is worse than the baseline."""
    scores = {suite: score(suite, cases) for suite, cases in records.items()}
    build.mkdir(exist_ok=True)
    if compare:
        _merge(build / "conformance.json", scores)
        _merge(build / "conformance-details.json", records)
    else:
        (build / "conformance-only.json").write_text(json.dumps(records, indent=1) + "\n")
    print(table(scores))
    print(categories(records))
    baseline: Scores = json.loads(BASELINE.read_text()) if BASELINE.is_file() else {}
    if update:
        BASELINE.write_text(json.dumps(baseline | scores, indent=1) + "\n")
        return 0
    worse = shrunk(scores, baseline) if compare else []
    for line in worse:
        print(f"worse than the baseline: {line}", file=sys.stderr)
    return 1 if worse else 0
