# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Format strings of bpf_snprintf: kernel/bpf/verifier.c check_bpf_snprintf_call, kernel/bpf/helpers.c
bpf_bprintf_prepare (6.18)."""

from __future__ import annotations

import re
from typing import Final

from verifier.calls.helper_args import check_const_str
from verifier.env import Env
from verifier.rejection import EINVAL

MAX_ARGS: Final = 12
_END: Final = r"(?=[\s!-/:-@\[-`{-~\xa0-\xbf\xd7\xf7]|$)"
"""white space, punctuation (as Latin-1 has them) or the end"""
_SPEC: Final = re.compile(
    rf"%(?:%|[0 +-]*(?:[1-9][0-9]*)?(?:p[KxsSB]|p[iI][46]|p{_END}|s{_END}|p[ku]s{_END}|c|l{{0,2}}[diuxX]))", re.ASCII
)
"""a percent sign, or a conversion with flags and width"""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def check_snprintf(env: Env) -> None:
    """No more arguments wanted by the format than there are, and only conversions that BPF has."""
    size = env.frame.regs[5].num.var_off
    if size.mask:
        env.reject(EINVAL, "")
    if size.value & 7 or size.value > MAX_ARGS * 8:
        env.reject(EINVAL, "")
    text = check_const_str(env, env.frame.regs[3], 3)
    wanted, at = 0, 0
    while (found := text.find("%", at)) >= 0:
        match = _SPEC.match(text, found)
        if match is None:
            env.reject(EINVAL, "Invalid format string")
        wanted += match.group() != "%%"
        at = match.end()
    if wanted > size.value >> 3 or _CONTROL.search(text):
        env.reject(EINVAL, "Invalid format string")
