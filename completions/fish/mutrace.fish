# SPDX-License-Identifier: GPL-3.0-or-later
# fish asks the command itself, which knows its options.
mutrace completions fish 2>/dev/null | source
