# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Stories of the emulated machine: one YAML file is a lesson, a test and a bug report."""
