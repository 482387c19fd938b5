# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""``bpfvm link``."""

from __future__ import annotations

from pathlib import Path

import click

from bpfvm.errors import BadInput


@click.command("link")
@click.argument("out", type=click.Path())
@click.argument("objects", nargs=-1, required=True, type=click.Path(), metavar="IN...")
def command(out: str, objects: tuple[str, ...]) -> None:
    """Link the objects IN… statically to the object OUT: what one declares extern, another defines.

    As ``bpftool gen object``: sections of one name are put together, a name may have one strong definition, and what
    the files say about a name must go together. Externs that stay open stay extern.
    """
    from bpfvm.obj.linker import link_files

    data = link_files(objects)
    try:
        Path(out).write_bytes(data)
    except OSError as error:
        raise BadInput(f"cannot write the file: {error.strerror}", path=out) from error
