# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The kernel's tests that are C tables, as data: small C programs of ours include the tree's files and print them.

``verifier/*.c`` through ``test_verifier.c`` (its calls into libbpf stay unresolved and are never made), and the table
of ``lib/test_bpf.c``, cut out of the file because the rest of it needs a kernel.
"""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from bpfvm.btf import Btf
from tests.conformance.kernel.corpus import Corpus, CorpusError

HERE = Path(__file__).resolve().parent
CUT_FROM, CUT_TO = "#include <linux/sched.h>\n", "static struct net_device dev;\n"
BTF_HEADER = 24

Case = dict[str, Any]


@cache
def verifier_tables(corpus: Corpus) -> list[Case]:
    """The tests of verifier/*.c in order of file; the first entry has the types of the maps instead."""
    folder = corpus.root / "tables" / "verifier"
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted((corpus.selftests / "verifier").glob("*.c"))
    included = "".join(f'#include "{file}"\n' for file in files)
    (folder / "tests.h").write_text(f"#ifdef FILL_ARRAY\n{included}#endif\n")
    flags = ["-Wl,--unresolved-symbols=ignore-all", f"-I{corpus.selftests}", f"-I{corpus.include}"]
    return _dump(corpus, "dump_verifier_tests.c", flags, f"-I{corpus.tree}/tools/lib")


@cache
def test_bpf_cases(corpus: Corpus) -> list[Case]:
    """The eBPF cases of lib/test_bpf.c."""
    text = (corpus.tree / "lib/test_bpf.c").read_text()
    folder = corpus.root / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test_bpf_cut.c").write_text(text.partition(CUT_FROM)[2].partition(CUT_TO)[0])
    return _dump(corpus, "dump_test_bpf.c", [])


def _dump(corpus: Corpus, source: str, flags: list[str], *last: str) -> list[Case]:
    """Compile one of our programs for the host, run it, read its lines. Raises CorpusError."""
    folder = corpus.root / "tables"
    program = folder / Path(source).stem
    tree = corpus.tree / "tools/include"
    includes = [f"-I{folder}", *flags, f"-I{tree}", f"-I{tree}/uapi", *last]
    command = ["cc", "-w", "-O0", "-no-pie", *includes, str(HERE / source), "-o", str(program)]
    compiled = subprocess.run(command, capture_output=True, text=True)
    if compiled.returncode:
        raise CorpusError(f"{source} doesn't compile: {compiled.stderr[:500]}")
    printed = subprocess.run([str(program)], capture_output=True, text=True)
    if printed.returncode:
        raise CorpusError(f"{source} ended with {printed.returncode}: {printed.stderr[:500]}")
    return [json.loads(line) for line in printed.stdout.splitlines()]


def raw_btf(types: str, strings: str) -> Btf:
    """BTF of the two hexadecimal sections."""
    type_data, string_data = bytes.fromhex(types), bytes.fromhex(strings)
    sizes = (BTF_HEADER, 0, len(type_data), len(type_data), len(string_data))
    header = b"\x9f\xeb\x01\x00" + b"".join(size.to_bytes(4, "little") for size in sizes)
    return Btf.parse(header + type_data + string_data, name="table")
