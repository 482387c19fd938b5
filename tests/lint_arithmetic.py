# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Refuse raw ``//`` and ``%`` in the engine and the verifier: Python floors, BPF truncates (isa/word.py has both)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("bpfvm/engine", "verifier")


def raw_divisions(source: str) -> Iterator[tuple[int, str]]:
    """Line and operator of each floor division or modulo whose left side is not a text literal."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.FloorDiv | ast.Mod):
            left = node.left if isinstance(node, ast.BinOp) else node.target
            if isinstance(left, ast.Constant | ast.JoinedStr) and not isinstance(getattr(left, "value", ""), int):
                continue
            yield node.lineno, "//" if isinstance(node.op, ast.FloorDiv) else "%"


def main() -> int:
    found = 0
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for line, operator in raw_divisions(path.read_text()):
                print(f"{path.relative_to(ROOT)}:{line}: raw {operator}; use bpfvm.isa.word")
                found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
