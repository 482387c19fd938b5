# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is known of a number: tristate bits, bounds, and what operations and conditions do to them."""
