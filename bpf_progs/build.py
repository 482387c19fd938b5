# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Build everything compiled that is in the repository: `python -m bpf_progs.build [TARGET...] [--check]`.

    kernel-btf   thpmm/kernel/emulated.h       -> thpmm/kernel/emulated.btf, emulated-patch04.btf
    vmlinux-h    thpmm/kernel/emulated.btf     -> bpf_progs/lib/vmlinux.h
    programs     bpf_progs/{policies,negative} -> bpf_progs/built/*.bpf.o
    suite        bpf_progs/verifier            -> bpf_progs/built/verifier/*.bpf.o

Without a target all four, in this order. `--check` writes nothing and exits 1 if a committed file differs from
what its source gives. Exit 2: a source does not compile, or there is no compiler (the text says what to do).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bpf_progs.btf_order import in_order
from bpf_progs.btf_prune import prune
from bpf_progs.compiler import CompileError, Compiler, CompilerMissing, find_compiler
from bpf_progs.elf_strip import has_section, read_section, replace_sections, strip_debug

ROOT = Path(__file__).resolve().parent.parent
KERNEL_BTFS = {"emulated.btf": (), "emulated-patch04.btf": ("EMULATE_TVA_SWAP_PAGEFAULT",)}
PROGRAM_FOLDERS = ("policies", "negative")
COMPILER_FILE = "bpf_progs/built/COMPILER"

VMLINUX_HEAD = """\
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The emulated kernel's types. Generated from thpmm/kernel/emulated.btf by `python -m bpf_progs.build vmlinux-h`. */
"""

Product = tuple[str, bytes]
"""A path relative to the repository, and the bytes that belong there."""


def kernel_btfs(compiler: Compiler, root: Path = ROOT) -> Iterator[Product]:
    """The BTF of the emulated kernel, one per variant."""
    for name, define in KERNEL_BTFS.items():
        elf = compiler.compile("emulated.c", root / "thpmm/kernel", define=define)
        yield f"thpmm/kernel/{name}", prune(read_section(elf, ".BTF"))


def vmlinux_h(_compiler: Compiler, root: Path = ROOT) -> Iterator[Product]:
    """The header that policies include, printed from the emulated kernel's BTF."""
    # Imported here: the other targets need nothing of bpfvm, so a broken checkout can still rebuild its objects.
    from bpfvm.btf import Btf
    from bpfvm.btf.dump_c import dump_c

    path = root / "thpmm/kernel/emulated.btf"
    btf = Btf.parse(path.read_bytes(), name=path.name)
    yield "bpf_progs/lib/vmlinux.h", (VMLINUX_HEAD + dump_c(btf)).encode()


def programs(compiler: Compiler, root: Path = ROOT) -> Iterator[Product]:
    """The object of every program source, without DWARF, and the name of the compiler that made them."""
    folder = root / "bpf_progs"
    for sub in PROGRAM_FOLDERS:
        yield from _objects(compiler, folder, sub, "bpf_progs/built")
    yield COMPILER_FILE, f"{compiler.version}\n".encode()


def suite(compiler: Compiler, root: Path = ROOT) -> Iterator[Product]:
    """The objects of the conformance suite for verifiers."""
    yield from _objects(compiler, root / "bpf_progs", "verifier", "bpf_progs/built/verifier")


def _objects(compiler: Compiler, folder: Path, sub: str, built: str) -> Iterator[Product]:
    for source in sorted((folder / sub).glob("*.bpf.c")):
        elf = compiler.compile(str(source.relative_to(folder)), folder, include=("lib",))
        yield f"{built}/{source.stem}.o", _settle(strip_debug(elf))


def _settle(elf: bytes) -> bytes:
    """The same object from every run of the compiler."""
    ext = read_section(elf, ".BTF.ext") if has_section(elf, ".BTF.ext") else b""
    btf, ext = in_order(read_section(elf, ".BTF"), ext)
    return replace_sections(elf, {".BTF": btf, ".BTF.ext": ext})


TARGETS: dict[str, Callable[[Compiler, Path], Iterator[Product]]] = {
    "kernel-btf": kernel_btfs,
    "vmlinux-h": vmlinux_h,
    "programs": programs,
    "suite": suite,
}


def build(target: str, compiler: Compiler, root: Path = ROOT) -> list[str]:
    """Write what `target` makes; the paths that changed."""
    changed = []
    for name, data in TARGETS[target](compiler, root):
        path = root / name
        is_new = not path.exists() or path.read_bytes() != data
        print(f"  {'write' if is_new else 'same '}  {name}  {len(data):,} bytes")
        if is_new:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            changed.append(name)
    return changed


def check(target: str, compiler: Compiler, root: Path = ROOT) -> list[str]:
    """The paths whose committed bytes differ from what `target` makes (a file that is missing differs)."""
    stale = []
    for name, data in TARGETS[target](compiler, root):
        path = root / name
        is_same = path.exists() and path.read_bytes() == data
        print(f"  {'ok   ' if is_same else 'STALE'}  {name}")
        if not is_same:
            stale.append(name)
    return stale


def main(argv: list[str] | None = None) -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bpf_progs.build", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", nargs="*", help=f"what to build: {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    args = parser.parse_args(argv)
    unknown = [t for t in args.target if t not in TARGETS]
    if unknown:
        parser.error(f"unknown target {unknown[0]!r}; known: {', '.join(TARGETS)}")
    try:
        compiler = find_compiler()
        differing = []
        for target in args.target or TARGETS:
            print(f"{target} ({compiler.version})")
            differing += (check if args.check else build)(target, compiler)
    except (CompilerMissing, CompileError) as error:
        print(error, file=sys.stderr)
        return 2
    if args.check and differing:
        print(f"{len(differing)} files are stale; next step: python -m bpf_progs.build", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
