# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Builds the corpus: the kernel tree's own verifier tests as BPF objects, from Debian packages only.

``python -m tests.conformance.kernel.corpus`` unpacks what it needs from /usr/src/linux-source-6.12.tar.xz into a cache
outside the repository ($XDG_CACHE_HOME/bpfvm or ~/.cache/bpfvm), prints ``vmlinux.h`` from the running kernel's BTF
with our own C dump and compiles selftests ``progs/*.c``. Interrupted, it goes on where it stopped; nothing here needs
root.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bpfvm.btf import Btf
from bpfvm.btf.dump_c import dump_c
from tests.conformance.kernel.progress import Progress

TARBALL = Path("/usr/src/linux-source-6.12.tar.xz")
KERNEL_BTF = Path("/sys/kernel/btf/vmlinux")
TREE = "linux-source-6.12"
FOLDERS = (
    "tools/testing/selftests/bpf",
    "tools/lib/bpf",
    "tools/include",
    "tools/arch/x86/include",
    "include",
    "kernel/bpf",
    "lib/test_bpf.c",
    "scripts/bpf_doc.py",
)
CLANG = "clang-22"
NEEDS = (
    (CLANG, "clang-22", "compiles the test programs for BPF"),
    ("cc", "gcc", "compiles what prints the kernel's table tests"),
    ("xz", "xz-utils", "unpacks the kernel source"),
    ("tar", "tar", "unpacks the kernel source"),
)
OWN_KFUNCS = ("bpf_path_d_path", "bpf_lookup_user_key", r"bpf_arena_\w+", r"bpf_(?:xdp|skb)_ct_\w+", r"bpf_ct_\w+")
"""kfuncs that the programs declare themselves, with other types than the running kernel's (changed after 6.12, arena
pointers, local flavours of a struct): left out of vmlinux.h"""
NO_STRICT_ALIASING = frozenset(
    (
        *("bind4_prog", "bind6_prog", "dynptr_fail", "linked_list_fail", "map_kptr_fail", "syscall"),
        *("test_pkt_md_access", "test_sk_lookup", "timer_crash", "test_global_func9", "verifier_nocsr"),
    )
)
NO_INLINE = frozenset(("test_l4lb_noinline", "test_xdp_noinline"))
"""as the selftests' Makefile compiles them"""


class CorpusError(Exception):
    """Something on this machine is missing; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Folders of the cache."""

    root: Path

    @property
    def tree(self) -> Path:
        return self.root / TREE

    @property
    def include(self) -> Path:
        return self.root / "include"

    @property
    def objects(self) -> Path:
        return self.root / "objects"

    @property
    def selftests(self) -> Path:
        return self.tree / "tools/testing/selftests/bpf"

    @property
    def failures(self) -> Path:
        return self.root / "failures.json"


def default_corpus() -> Corpus:
    """The cache of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Corpus(Path(base) / "bpfvm" / "conformance-6.12")


def check_needs() -> None:
    """Raises CorpusError that names every missing package and what it is for."""
    missing = [(package, why) for command, package, why in NEEDS if shutil.which(command) is None]
    if not TARBALL.is_file():
        missing.append(("linux-source-6.12", "the kernel tree with the verifier's own tests"))
    if missing:
        reasons = "".join(f"  {package}: {why}\n" for package, why in missing)
        names = " ".join(sorted({package for package, _ in missing}))
        raise CorpusError(f"packages are missing:\n{reasons}as root: apt-get install {names}")
    if not os.access(KERNEL_BTF, os.R_OK):
        raise CorpusError(
            f"{KERNEL_BTF} can't be read: vmlinux.h is made from the running kernel's BTF (CONFIG_DEBUG_INFO_BTF)"
        )


def _stamp(path: Path) -> str:
    info = path.stat()
    return f"{info.st_size} {info.st_mtime_ns} {FOLDERS}"


def _fresh(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text() == wanted


def unpack(corpus: Corpus) -> None:
    """The needed folders of the tree; again when the package has changed."""
    stamp, wanted = corpus.root / "tree.stamp", _stamp(TARBALL)
    if _fresh(stamp, wanted):
        return
    print(f"unpacking {TARBALL} into {corpus.root} ...", file=sys.stderr)
    corpus.root.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(corpus.tree, ignore_errors=True)
    shutil.rmtree(corpus.objects, ignore_errors=True)
    wishes = [f"{TREE}/{folder}" for folder in FOLDERS]
    command = ["tar", "--use-compress-program=xz -dT0", "-xf", str(TARBALL), "-C", str(corpus.root), *wishes]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CorpusError(f"unpacking failed: {done.stderr.strip()[-500:]}")
    stamp.write_text(wanted)


def make_headers(corpus: Corpus) -> None:
    """bpf/*.h of the tree, bpf_helper_defs.h from its documentation, vmlinux.h from the running kernel."""
    data = KERNEL_BTF.read_bytes()
    stamp, wanted = corpus.root / "headers.stamp", f"{os.uname().release} {len(data)} {OWN_KFUNCS}"
    if _fresh(stamp, wanted):
        return
    print("making headers ...", file=sys.stderr)
    bpf = corpus.include / "bpf"
    shutil.rmtree(corpus.include, ignore_errors=True)
    shutil.rmtree(corpus.objects, ignore_errors=True)
    bpf.mkdir(parents=True)
    for header in (corpus.tree / "tools/lib/bpf").glob("*.h"):
        shutil.copy(header, bpf)
    doc = [sys.executable, str(corpus.tree / "scripts/bpf_doc.py"), "--header"]
    made = subprocess.run(
        [*doc, "--file", str(corpus.tree / "tools/include/uapi/linux/bpf.h")], capture_output=True, text=True
    )
    if made.returncode:
        raise CorpusError(f"bpf_doc.py failed: {made.stderr.strip()[-500:]}")
    (bpf / "bpf_helper_defs.h").write_text(made.stdout)
    (corpus.include / "vmlinux.h").write_text(_without(dump_c(Btf.parse(data, name="vmlinux"), kfuncs=True)))
    stamp.write_text(wanted)


def _without(header: str) -> str:
    names = "|".join(OWN_KFUNCS)
    return re.sub(rf"^extern [^\n]*\b(?:{names})\([^\n]*__ksym;\n", "", header, flags=re.MULTILINE)


def host_includes() -> list[str]:
    """Where clang looks for the host's headers, as flags for after everything else."""
    text = subprocess.run([CLANG, "-v", "-E", "-x", "c", "/dev/null"], capture_output=True, text=True).stderr
    listed = text.partition("#include <...> search starts here:\n")[2].partition("End of search list")[0]
    return [part for line in listed.splitlines() for part in ("-idirafter", line.strip())]


def compile_flags(corpus: Corpus) -> list[str]:
    """Flags of the selftests' Makefile for x86."""
    return [
        *("-g", "-Wall", "-D__TARGET_ARCH_x86", "-mlittle-endian", f"-I{corpus.include}", f"-I{corpus.selftests}"),
        *(f"-I{corpus.tree}/tools/include/uapi", "-Wno-compare-distinct-pointer-types", *host_includes()),
        *("-DENABLE_ATOMICS_TESTS", "-O2", "--target=bpf", "-mcpu=v3", "-ferror-limit=0", "-w"),
    ]


def compile_one(corpus: Corpus, source: Path, flags: list[str]) -> str | None:
    """Compile one file; None, or why it failed. Interrupted, it leaves no half object."""
    stem = source.stem
    extra = ["-fno-strict-aliasing"] if stem in NO_STRICT_ALIASING else []
    if stem in NO_INLINE:
        extra.append("-fno-inline")
    target = corpus.objects / f"{stem}.bpf.o"
    with tempfile.TemporaryDirectory(dir=corpus.root) as folder:
        made = Path(folder) / target.name
        command = [CLANG, *flags, *extra, "-c", str(source), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            made.replace(target)
            return None
    errors = [line.partition("progs/")[2] or line for line in done.stderr.splitlines() if "error:" in line]
    last = done.stderr.strip().splitlines()[-1:]
    return f"{len(errors)} errors: {errors[0]}" if errors else "".join(last) or f"exit code {done.returncode}"


def compile_all(corpus: Corpus, jobs: int) -> dict[str, str]:
    """Compile what isn't yet; file → reason of those that don't compile."""
    corpus.objects.mkdir(parents=True, exist_ok=True)
    failed: dict[str, str] = json.loads(corpus.failures.read_text()) if corpus.failures.is_file() else {}
    sources = sorted((corpus.selftests / "progs").glob("*.c"))
    missing = [s for s in sources if not (corpus.objects / f"{s.stem}.bpf.o").is_file()]
    known = {s.name for s in missing} & failed.keys()
    if len(known) == len(missing):
        return failed
    flags = compile_flags(corpus)
    failed = {}
    with Progress("compiling", len(missing)) as progress, ThreadPoolExecutor(jobs) as pool:
        for source, reason in zip(missing, pool.map(lambda s: compile_one(corpus, s, flags), missing), strict=True):
            if reason is not None:
                failed[source.name] = reason
            progress.step(source.name)
    corpus.failures.write_text(json.dumps(failed, indent=1))
    return failed


def build(jobs: int = 2) -> Corpus:
    """All of it, or as much as is missing. Raises CorpusError."""
    check_needs()
    corpus = default_corpus()
    unpack(corpus)
    make_headers(corpus)
    failed = compile_all(corpus, jobs)
    count = sum(1 for _ in objects(corpus))
    print(f"{count} objects, {len(failed)} sources don't compile ({corpus.failures})", file=sys.stderr)
    return corpus


def objects(corpus: Corpus) -> Iterator[Path]:
    """The compiled objects in order of name."""
    yield from sorted(corpus.objects.glob("*.bpf.o"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="corpus", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="compilers at a time (default 2)")
    try:
        corpus = build(parser.parse_args().jobs)
    except CorpusError as error:
        print(f"corpus: {error}", file=sys.stderr)
        return 2
    for name, reason in json.loads(corpus.failures.read_text()).items():
        print(f"{name}: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
