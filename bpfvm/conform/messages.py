# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Expected messages against a verifier log: in order, verbatim but for POSIX regular expressions in ``{{`` and ``}}``
(tools/testing/selftests/bpf/test_loader.c validate_msgs, 6.12)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CLASSES = {
    "[:alnum:]": "a-zA-Z0-9",
    "[:alpha:]": "a-zA-Z",
    "[:digit:]": "0-9",
    "[:lower:]": "a-z",
    "[:space:]": r"\s",
    "[:upper:]": "A-Z",
    "[:xdigit:]": "0-9a-fA-F",
}


def pattern(text: str) -> re.Pattern[str]:
    """One expected message as a Python expression."""
    parts = re.split(r"\{\{(.*?)\}\}", text)
    return re.compile("".join(_posix(part) if i & 1 else re.escape(part) for i, part in enumerate(parts)), re.MULTILINE)


def refusal(text: str) -> str:
    """Why an expected message can't be looked for, "" if it can. A repeated group could take forever."""
    for part in re.findall(r"\{\{(.*?)\}\}", text):
        if re.search(r"\)[*+?{]", part):
            return f"a repeated group in {{{{{part}}}}}"
    try:
        pattern(text)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    return ""


def _posix(text: str) -> str:
    """POSIX extended to Python: classes by name; a negated set doesn't match the end of a line."""
    for name, chars in _CLASSES.items():
        text = text.replace(name, chars)
    return text.replace("[^", r"[^\n")


def first_missing(log: str, messages: Sequence[str]) -> str | None:
    """The first message that isn't found behind the one before it, None when all are there."""
    at = 0
    for message in messages:
        found = pattern(message).search(log, at)
        if found is None:
            return message
        at = found.end()
    return None
