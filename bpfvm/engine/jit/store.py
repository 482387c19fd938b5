# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Object code kept on disk: one file per image and tier, named by everything the code depends on.

A file is a magic line, the SHA-256 of what follows, and the code. What doesn't fit is ignored and written again; files
appear whole (rename). A folder that can't be used means no cache, never an error.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

MAGIC: Final = b"bpfvm jit 1\n"
MAX_FILES: Final = 2048
"""when there are more, the older half goes"""


def default_folder() -> Path:
    """$XDG_CACHE_HOME/bpfvm/jit, in ~/.cache if that isn't set."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "bpfvm" / "jit"


@cache
def sources() -> bytes:
    """Digest of the compiler itself: code of another version of it is not used."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()


def key(*parts: object) -> str:
    """A name for code that depends on `parts` (whose repr must tell them apart) and on this compiler."""
    digest = hashlib.sha256(sources())
    for part in parts:
        text = part if isinstance(part, bytes) else repr(part).encode()
        digest.update(len(text).to_bytes(8, "little") + text)
    return digest.hexdigest()


class Store:
    """The files in `folder`."""

    __slots__ = ("folder",)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str) -> bytes | None:
        """The code under this name, or None."""
        try:
            data = (self.folder / name).read_bytes()
        except OSError:
            return None
        start = len(MAGIC) + hashlib.sha256().digest_size
        code = data[start:]
        good = data[:start] == MAGIC + hashlib.sha256(code).digest()
        return code if good and code else None

    def put(self, name: str, code: bytes) -> None:
        """Keep code under this name."""
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            part = self.folder / f"{name}.{os.getpid()}.part"
            part.write_bytes(MAGIC + hashlib.sha256(code).digest() + code)
            part.replace(self.folder / name)
            self._prune()

    def _prune(self) -> None:
        files = [entry for entry in os.scandir(self.folder) if entry.is_file()]
        if len(files) <= MAX_FILES:
            return
        files.sort(key=lambda entry: entry.stat().st_mtime_ns)
        for entry in files[: MAX_FILES >> 1]:
            os.unlink(entry.path)
