# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The types, functions and tracepoints of the kernel tree's module bpf_testmod, as its BTF would have them.

The module isn't built and nothing of it is loaded: its declarations are cut out of the tree's source, compiled for BPF
(which gives their types), and put behind the running kernel's types. Flags and sets of its kfuncs are read from its
BTF_ID_FLAGS lists.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.builder import Builder
from bpfvm.btf.refs import references, renumbered
from bpfvm.elf import read_elf
from tests.conformance.kernel.corpus import CLANG, Corpus, CorpusError
from verifier.profile import KernelProfile

FOLDER = "bpf_testmod"
STUBS = """
#include "vmlinux.h"
#define __KERNEL__
#define noinline
#define __user
#define __percpu
#define __rcu
#define TP_PROTO(...) __VA_ARGS__
#define TP_ARGS(...)
#define PARAMS(...) __VA_ARGS__
#define DECLARE_TRACE(name, proto, ...) \\
    typedef void (*btf_trace_##name)(void *__data, proto); btf_trace_##name k_##name;
#define TRACE_EVENT(name, proto, ...) DECLARE_TRACE(name, PARAMS(proto))
"""
STRUCT = re.compile(r"^(?:struct|union) \w+ \{.*?^\}[^;\n]*;", re.MULTILINE | re.DOTALL)
TYPEDEF = re.compile(r"^typedef [^;{]*;", re.MULTILINE)
FUNCTION = re.compile(
    r"^(?P<ret>(?:[\w]+[ \t\n*]+)+?)(?P<name>\w+)\((?P<params>[^;{}]*?)\)\s*\{", re.MULTILINE | re.DOTALL
)
TRACE = re.compile(r"TP_PROTO\((?P<params>[^;]*?)\),\s*TP_ARGS", re.DOTALL)
TRACE_NAME = re.compile(r"^(?:TRACE_EVENT|DECLARE_TRACE|BPF_TESTMOD_DECLARE_TRACE)\((\w+),", re.MULTILINE)
FLAGS = re.compile(r"BTF_ID_FLAGS\(func, (\w+)(?:, ([\w |]+))?\)")
INJECTABLE = re.compile(r"ALLOW_ERROR_INJECTION\((\w+),")
STRUCT_OPS = re.compile(r"register_bpf_struct_ops\(&\w+, (\w+)\)")
QUALIFIERS = re.compile(r"\b(?:__bpf_kfunc|noinline|static|inline|__weak)\b")
EVERYWHERE, SOMEWHERE = "bpf_testmod_common_kfunc_ids", "bpf_testmod_check_kfunc_ids"
SOME_TYPES = frozenset(("sched_cls", "tracing", "tracepoint", "perf_event", "lsm", "syscall", "struct_ops"))
"""What the module registers the second list for (BPF_PROG_TYPE_TRACING stands for four types)."""


class Function(NamedTuple):
    """A function of the module: what it returns and takes, as C, and the names of its parameters."""

    name: str
    ret: str
    params: str
    param_names: tuple[str, ...]


def functions(source: str) -> list[Function]:
    """Those that the source defines."""
    found = []
    for match in FUNCTION.finditer(source):
        ret = QUALIFIERS.sub("", match["ret"]).strip()
        if ret and ret not in ("else", "return"):
            found.append(Function(match["name"], ret, match["params"], _names(match["params"])))
    return found


def _names(params: str) -> tuple[str, ...]:
    if params.strip() in ("", "void"):
        return ()
    return tuple(re.findall(r"(\w+)\s*(?:\[\w*\])?\s*$", each)[0] for each in params.split(","))


def _tracepoints(events: str) -> list[Function]:
    """What runs the programs of a tracepoint: its prototype has the names of the arguments."""
    found = []
    for start in TRACE_NAME.finditer(events):
        params = TRACE.search(events, start.end())
        if params is not None:
            names = ("__data", *_names(params["params"]))
            found.append(Function(f"__bpf_trace_{start[1]}", "void", f"void *__data, {params['params']}", names))
    return found


class Sources(NamedTuple):
    """The module's source, its headers, its tracepoints."""

    code: str
    header: str
    kfuncs: str
    events: str


def _sources(corpus: Corpus) -> Sources:
    folder = corpus.selftests / FOLDER
    names = ("bpf_testmod.c", "bpf_testmod.h", "bpf_testmod_kfunc.h", "bpf_testmod-events.h")
    return Sources(*((folder / name).read_text() for name in names))


def _declarations(sources: Sources, declared: list[Function]) -> str:
    """C that has all types of the module and a pointer to each kind of function."""
    without_includes = [re.sub(r"^#include.*$", "", text, flags=re.MULTILINE) for text in sources[1:]]
    in_vmlinux = without_includes[1].replace("#ifndef __KERNEL__", "#if 1", 1)
    parts = [STUBS, without_includes[0], in_vmlinux]
    parts += [match[0] for pattern in (TYPEDEF, STRUCT) for match in pattern.finditer(sources.code)]
    parts.append(without_includes[2])
    for name in STRUCT_OPS.findall(sources.code):
        value = f"struct bpf_struct_ops_{name}"
        data = f"struct {name} data __attribute__((aligned(64)))"
        parts.append(f"{value} {{ struct bpf_struct_ops_common_value common; {data}; }}; {value} v_{name};")
    for each in declared:
        parts.append(f"typedef {each.ret} (*fn_{each.name})({each.params}); fn_{each.name} p_{each.name};")
    return "\n".join(parts) + "\n"


def _compiled(corpus: Corpus, text: str) -> Btf:
    folder = corpus.root / "testmod"
    folder.mkdir(exist_ok=True)
    source, made = folder / "testmod.c", folder / "testmod.o"
    if not made.is_file() or not source.is_file() or source.read_text() != text:
        source.write_text(text)
        flags = ["-g", "-O2", "--target=bpf", "-w", "-D__ksym=", f"-I{corpus.include}"]
        done = subprocess.run([CLANG, *flags, "-c", str(source), "-o", str(made)], capture_output=True, text=True)
        if done.returncode:
            raise CorpusError(f"the declarations of {FOLDER} don't compile: {done.stderr[:500]}")
    elf = read_elf(made.read_bytes(), str(made))
    return Btf.parse(next(bytes(section.data) for section in elf.sections if section.name == ".BTF"), name=FOLDER)


def _same(kernel: Btf, found: t.BtfType) -> int:
    """The kernel's type that a named type of the module is; 0 if it is the module's own."""
    if not found.name:
        return 0
    kind = t.Struct if isinstance(found, t.Fwd) else type(found)
    return kernel.find(found.name, kind)


class _Merge:
    """Types of the module with the ids they have behind the kernel's."""

    def __init__(self, kernel: Btf, local: Btf) -> None:
        self.kernel, self.local = kernel, local
        self.builder = Builder(kernel)
        self.new: dict[int, int] = {0: 0}

    def add(self, type_id: int) -> int:
        """A type and all it refers to, unless they are there."""
        order: list[int] = []
        pending = [type_id]
        while pending:
            each = pending.pop()
            if each in self.new:
                continue
            found = self.local.type(each)
            self.new[each] = _same(self.kernel, found) or self.builder.next_id + len(order)
            if self.new[each] >= self.builder.next_id:
                order.append(each)
                pending += references(found)
        for each in order:
            self.builder.add(renumbered(self.local.type(each), self.new.__getitem__))
        return self.new[type_id]

    def function(self, each: Function) -> None:
        """A FUNC, whose prototype is that of its pointer, with the names of the parameters."""
        typedef = self.local.type(self.local.find(f"fn_{each.name}", t.Typedef))
        assert isinstance(typedef, t.Typedef)
        pointer = self.local.type(typedef.type)
        assert isinstance(pointer, t.Ptr)
        proto = self.local.type(pointer.type)
        assert isinstance(proto, t.FuncProto)
        for referred in references(proto):
            self.add(referred)
        params = [param._replace(name=name) for param, name in zip(proto.params, each.param_names, strict=True)]
        placed = renumbered(replace(proto, params=tuple(params)), self.new.__getitem__)
        self.builder.add(t.Func(each.name, self.builder.add(placed), 1))


def with_testmod(kernel: Btf, corpus: Corpus) -> Btf:
    """The kernel's types and the module's. Raises CorpusError."""
    sources = _sources(corpus)
    declared = functions(sources.code) + _tracepoints(sources.events)
    local = _compiled(corpus, _declarations(sources, declared))
    merge = _Merge(kernel, local)
    for type_id in local.ids():
        found = local.type(type_id)
        named = isinstance(found, t.Struct) or found.name.startswith("btf_trace_")
        if named and found.name and not _same(kernel, found):
            merge.add(type_id)
    for each in declared:
        if not kernel.find(each.name, t.Func):
            merge.function(each)
    return merge.builder.build()


@cache
def _flags(source: str) -> Mapping[str, dict[str, frozenset[str]]]:
    """List of kfuncs → kfunc → its flags."""
    found = {}
    for name in (EVERYWHERE, SOMEWHERE):
        rows = source.partition(f"BTF_KFUNCS_START({name})")[2].partition("BTF_KFUNCS_END")[0]
        found[name] = {
            kfunc: frozenset(flag.strip().removeprefix("KF_") for flag in flags.split("|") if flag)
            for kfunc, flags in FLAGS.findall(rows)
        }
    return found


def profile_with_testmod(profile: KernelProfile, corpus: Corpus) -> KernelProfile:
    """The profile of a kernel that has loaded the module."""
    source = (corpus.selftests / FOLDER / "bpf_testmod.c").read_text()
    lists = _flags(source)
    everywhere, somewhere = frozenset(lists[EVERYWHERE]), frozenset(lists[SOMEWHERE])
    sets = {
        type_: names | everywhere | (somewhere if type_ in SOME_TYPES else frozenset())
        for type_, names in profile.kfunc_sets.items()
    }
    kfuncs = {**profile.kfuncs, **lists[EVERYWHERE], **lists[SOMEWHERE]}
    return replace(profile, kfuncs=kfuncs, kfunc_sets=sets, injectable=frozenset(INJECTABLE.findall(source)))
