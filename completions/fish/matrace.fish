# SPDX-License-Identifier: GPL-3.0-or-later
# fish asks the command itself, which knows its options.
matrace completions fish 2>/dev/null | source
