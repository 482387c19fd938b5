/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * N15: a map without the one required callback.
 *
 * There is no program to verify. The mistake shows when the map is populated: the type's validate() refuses.
 */
#include "vmlinux.h"
#include "helpers.h"
#include "thp.h"

SEC(".struct_ops.link")
struct bpf_thp_ops no_callback;

LICENSE("GPL");
