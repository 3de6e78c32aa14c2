# SPDX-License-Identifier: MIT
"""Scenario tests: the three daemons as users start them, real sockets, peers that share no code with
them. Everything runs on 127.0.0.0/8 and ::1, without rights."""
