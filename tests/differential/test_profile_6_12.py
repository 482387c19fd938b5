# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random programs under kernel profile 6.12: what its search prunes hides nothing, and it takes no more than 6.18."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.differential.verifier_oracle import environment, unusable
from tests.fuzz.verifier.judge import program
from tests.fuzz.verifier.programs import sample
from tests.fuzz.verifier.states import Recorded
from tests.fuzz.verifier.tcp_ca import TcpCa
from verifier import PROFILES
from verifier.rejection import E2BIG
from verifier.verify import check

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
EACH = 40
LIMIT = 4000


@pytest.mark.parametrize("first", range(0, 6 * EACH, EACH))
def test_random_programs(first: int) -> None:
    new = replace(environment(), struct_ops=TcpCa())
    old = replace(new, profile=replace(PROFILES["6.12"], cpus=new.profile.cpus))
    accepted = 0
    for seed in range(first, first + EACH):
        made = sample(seed)
        asked = {"strict_alignment": made.strict, "complexity_limit": LIMIT}
        rejection, run = check(program(made), replace(old, **asked), log_level=0)
        if rejection is not None:
            continue
        accepted += 1
        newer, _ = check(program(made), replace(new, **asked), log_level=0)
        assert newer is None or newer.errno == E2BIG, (seed, newer)
        everything, _ = check(program(made), replace(old, **asked, observer=Recorded()), log_level=0)
        endless = everything is not None and everything.errno == E2BIG
        assert everything is None or endless or any(run.iter_next), (seed, everything)
    assert accepted
