# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The verifier's hot modules as extension modules, compiled by mypyc from the sources that also run as they are.

`python hatch_build.py` puts them beside the sources (`make build-native`; `--clean` takes them away again). Hatchling
runs the hook for a wheel: where mypyc and a C compiler are at hand the wheel has them, elsewhere, and with
BPFVM_NATIVE=0, it is the pure one. Nothing is downloaded either way.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
OPT_OUT = "BPFVM_NATIVE"
GROUP = "bpfvm_native"
HOT = {
    "verifier": "env rejection",
    "verifier/numbers": "tnum cnum scalar_alu scalar_ids scalar_jump",
    "verifier/state": "reg_type reg states read_marks references",
    "verifier/program": "live_regs insn_check subprogs fastcall",
    "verifier/search": "equal prune paths widen scc backtrack liveness walk",
    "verifier/steps": "transfer alu jump loads sanitize leaks",
    "verifier/memory": "access stack region packet map_access ctx btf_access",
    "verifier/calls": "helper_calls helper_args",
    "verifier/text": "log state_print reg_fmt",
}
"""folder → its hot modules"""
MODULES = (
    "bpfvm/isa/word.py",
    *(f"{folder}/{name}.py" for folder, names in HOT.items() for name in names.split()),
)


def missing() -> str:
    """What compiling would need and isn't there, "" if nothing."""
    if importlib.util.find_spec("mypyc") is None:
        return "mypyc is not installed"
    if importlib.util.find_spec("setuptools") is None:
        return "setuptools is not installed"
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(compiler) is None:
        return f"there is no C compiler ({compiler})"
    headers = Path(sysconfig.get_path("include"), "Python.h")
    return "" if headers.exists() else f"Python's headers are not installed ({headers})"


def built(root: Path = ROOT) -> list[Path]:
    """The extension modules beside the sources."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    beside = [root / module for module in MODULES]
    paths = [root / f"{GROUP}__mypyc{suffix}", *(path.with_name(path.stem + suffix) for path in beside)]
    return [path for path in paths if path.exists()]


def compile_modules(into: Path) -> list[Path]:
    """Compile into a folder that then mirrors the source tree; the extension modules made."""
    from mypyc.build import mypycify
    from setuptools import Distribution

    work = ROOT / "build" / "native"
    os.chdir(ROOT)
    extensions = mypycify(list(MODULES), group_name=GROUP, opt_level="2", debug_level="0", target_dir=str(work))
    command = Distribution({"name": GROUP, "ext_modules": extensions}).get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(into), str(work)
    command.ensure_finalized()
    command.run()
    return [into / Path(path).relative_to(into) for path in command.get_outputs()]


class NativeModules(BuildHookInterface[Any]):
    """The hook: adds the extension modules to a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        why = f"{OPT_OUT}=0" if os.environ.get(OPT_OUT) == "0" else missing()
        if why:
            self.app.display_info(f"a pure wheel: {why}")
            return
        into = ROOT / "build" / "wheel"
        for path in compile_modules(into):
            build_data["force_include"][str(path)] = str(path.relative_to(into))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def main() -> None:
    """The command line."""
    for path in built():
        path.unlink()
    if "--clean" in sys.argv[1:]:
        return
    why = missing()
    if why:
        sys.exit(f"The verifier can't be compiled: {why}. It works as it is, at a third of the speed.")
    compile_modules(ROOT)


if __name__ == "__main__":
    main()
