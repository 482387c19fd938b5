# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Resilient locks, with interrupts off and on, against the running kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.differential.object_oracle import both_object
from tests.differential.verifier_oracle import normal, unusable
from tests.unit.obj.bpf_cc import compile_c

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
DECLARED = """
#define helper(number, ...) ((long (*)())(number))(__VA_ARGS__)
struct bpf_res_spin_lock { u32 val; };
struct res_value { struct bpf_res_spin_lock lock; int n; };
struct { __uint(type, 2); __type(key, int); __type(value, struct res_value); __uint(max_entries, 4); }
    reslocks SEC(".maps");
#define lookup(map) int key = 0; struct res_value *v = (void *)helper(1, &map, &key); if (!v) return 0;
extern int bpf_res_spin_lock(struct bpf_res_spin_lock *lock) __ksym;
extern void bpf_res_spin_unlock(struct bpf_res_spin_lock *lock) __ksym;
extern int bpf_res_spin_lock_irqsave(struct bpf_res_spin_lock *lock, unsigned long *flags__irq_flag) __ksym;
extern void bpf_res_spin_unlock_irqrestore(struct bpf_res_spin_lock *lock, unsigned long *flags__irq_flag) __ksym;
extern void bpf_local_irq_save(unsigned long *flags__irq_flag) __ksym;
extern void bpf_local_irq_restore(unsigned long *flags__irq_flag) __ksym;
"""
TWO = "int k = 1; struct res_value *w = (void *)helper(1, &reslocks, &k); if (!w) return 0; "
BODIES: dict[str, str] = {
    "plain": "if (bpf_res_spin_lock(&v->lock)) return 0; v->n = 1; bpf_res_spin_unlock(&v->lock); return 0;",
    "untested": "bpf_res_spin_lock(&v->lock); v->n = 1; bpf_res_spin_unlock(&v->lock); return 0;",
    "kept": "if (bpf_res_spin_lock(&v->lock)) return 0; return 0;",
    "given_back_unheld": "bpf_res_spin_unlock(&v->lock); return 0;",
    "same_twice": (
        "if (bpf_res_spin_lock(&v->lock)) return 0; if (bpf_res_spin_lock(&v->lock)) {"
        " bpf_res_spin_unlock(&v->lock); return 0; } bpf_res_spin_unlock(&v->lock); return 0;"
    ),
    "two": (
        TWO + "if (bpf_res_spin_lock(&v->lock)) return 0; if (bpf_res_spin_lock(&w->lock)) {"
        " bpf_res_spin_unlock(&v->lock); return 0; } bpf_res_spin_unlock(&w->lock); bpf_res_spin_unlock(&v->lock);"
        " return 0;"
    ),
    "two_out_of_order": (
        TWO + "if (bpf_res_spin_lock(&v->lock)) return 0; if (bpf_res_spin_lock(&w->lock)) {"
        " bpf_res_spin_unlock(&v->lock); return 0; } bpf_res_spin_unlock(&v->lock); bpf_res_spin_unlock(&w->lock);"
        " return 0;"
    ),
    "irq": (
        "unsigned long f; if (bpf_res_spin_lock_irqsave(&v->lock, &f)) return 0; v->n = 1;"
        " bpf_res_spin_unlock_irqrestore(&v->lock, &f); return 0;"
    ),
    "irq_kept": "unsigned long f; if (bpf_res_spin_lock_irqsave(&v->lock, &f)) return 0; return 0;",
    "irq_given_back_as_plain": (
        "unsigned long f; if (bpf_res_spin_lock_irqsave(&v->lock, &f)) return 0; bpf_res_spin_unlock(&v->lock);"
        " return 0;"
    ),
    "irq_restored_natively": (
        "unsigned long f; if (bpf_res_spin_lock_irqsave(&v->lock, &f)) return 0; bpf_local_irq_restore(&f); return 0;"
    ),
    "native_restored_with_lock": (
        "unsigned long f, g; bpf_local_irq_save(&g); if (bpf_res_spin_lock_irqsave(&v->lock, &f)) {"
        " bpf_local_irq_restore(&g); return 0; } bpf_res_spin_unlock_irqrestore(&v->lock, &g); return 0;"
    ),
    "irq_not_the_stack": "bpf_res_spin_lock_irqsave(&v->lock, (void *)&v->n); return 0;",
    "helper_while_held": (
        "if (bpf_res_spin_lock(&v->lock)) return 0; helper(7); bpf_res_spin_unlock(&v->lock); return 0;"
    ),
}


@pytest.fixture(scope="module")
def compiled() -> Path:
    programs = "".join(
        f'SEC("tc") int p_{name}(void *ctx) {{ lookup(reslocks) {body} }}\n' for name, body in BODIES.items()
    )
    return compile_c(DECLARED + programs + 'char _license[] SEC("license") = "GPL";')


@pytest.mark.parametrize("name", BODIES)
def test_res_lock(name: str, compiled: Path) -> None:
    answer = both_object(compiled, f"p_{name}")
    assert answer.same_verdict(), (answer.log[-600:], answer.rejection)
    assert normal(answer.our_log) == normal(answer.log)
