#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the benchmarks of the relay conclude from what they count, on relays that are only figures; and
the caller of the set-ups against the real media-relayd. A line of TAP each.
usage: test_bench.py BUILD-FOLDER-OF-SETUPLOAD"""
import json
import subprocess
import sys
import traceback

import relay_limits
import relay_ways
from relay import Relay

CASES = []


def case(function):
    CASES.append(function)
    return function


class Figures:
    """A bed whose relay carries so much, costs so much for a packet, and whose load does so much."""

    def __init__(self, carries=10**9, load=10**9, us=1.0, wrong=0, flaws=0):
        self.carries, self.load, self.us, self.wrong, self.flaws = carries, load, us, wrong, flaws
        self.rates = []

    def send(self, _lines, seconds, rate, _clump, _pid):
        self.rates.append(rate)
        sent = int(rate * seconds)
        came = min(sent, int(self.carries * seconds)) - self.wrong
        if self.flaws > 0:  # another's doing: it is not there at the next try
            self.flaws -= 1
            came -= sent // 10
        return {"sent": sent, "received": came, "wrong": self.wrong, "us_per_packet": self.us,
                "took_s": seconds * max(1, rate / self.load)}


def highest(**values):
    return str(relay_limits.highest(Figures(**values), [], 0))


@case
def the_highest_rate_is_the_last_without_loss():
    assert highest(carries=160000) == "150000", highest(carries=160000)
    assert highest(carries=40000) == "0"


@case
def a_loss_that_does_not_come_again_is_forgiven():
    assert highest(carries=160000, flaws=2) == "150000"
    assert highest(carries=160000, flaws=3) == "0"


@case
def what_the_load_cannot_send_is_not_claimed():
    assert highest(load=210000) == "at least 200000", highest(load=210000)
    assert highest() == "at least " + str(relay_limits.LADDER[-1])


@case
def a_wrong_packet_is_never_clean():
    assert highest(wrong=1) == "0"


@case
def half_a_processor_is_found():
    for us in (2.7, 5.0, 20.0, 40.0):
        rate = relay_limits.half_busy(Figures(us=us), [], 0)
        assert 0.45 <= rate * us / 1e6 <= 0.55, (us, rate)
    assert relay_limits.half_busy(Figures(us=0.1), [], 0) == relay_limits.DELAY_RATE_MAX


@case
def a_way_that_is_not_there_is_named():
    way = relay_ways.Way("none", relay_ways.XSK, af_nothing="on")
    try:
        way.known_options()
    except RuntimeError as error:
        assert "af_nothing" in str(error), error
    else:
        raise AssertionError("no complaint")
    assert "af_nothing" not in relay_ways.SOCKETS.known_options()


def set_up(pairs, calls):
    relay = Relay("127.79.1", pairs=pairs, level="warning")
    try:
        client = relay.client()
        relay.realms(client)
        done = subprocess.run([f"{sys.argv[1]}/setupload", "ctl", relay.path, str(calls), "2000"],
                              check=True, capture_output=True, text=True)
        client.close()
        return json.loads(done.stdout)
    finally:
        relay.stop()


@case
def calls_are_set_up_and_end():
    row = set_up(300, 200)
    assert row["over"] == row["calls"] == 200 and row["refused"] == 0, row
    for step in ("offer_us", "answer_us", "end_us"):
        assert 0 < row[step]["p50"] <= row[step]["p99"], row


@case
def refused_calls_are_counted():
    row = set_up(10, 200)
    assert row["refused"] > 0 and row["over"] >= 10, row
    assert row["refused"] + row["over"] == row["calls"], row


def main():
    print(f"1..{len(CASES)}")
    failed = 0
    for number, one in enumerate(CASES, 1):
        try:
            one()
            print(f"ok {number} - {one.__name__}")
        except Exception:  # any failure is this case's
            failed += 1
            print(f"not ok {number} - {one.__name__}")
            for line in traceback.format_exc().splitlines():
                print("#", line)
        sys.stdout.flush()
    return 1 if failed else 0


sys.exit(main())
