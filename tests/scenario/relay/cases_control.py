# SPDX-License-Identifier: MIT
"""What is asked for over the control socket: ports that run out, realms that change, broken messages,
owners that go, and the end of the program."""
import ast
import os
import random
import resource
import signal
import subprocess
import time

from cases import call, case, lock, until
from relay import Phone, figures, ports, side, udp


@case()
def the_command_line_is_that_of_every_daemon(relay):
    program = relay.process.args[0]

    def run(*args):
        return subprocess.run([program, *args], capture_output=True, text=True, check=False)

    assert run("--help").returncode == 0 and "--config" in run("--help").stdout
    assert run("--version").stdout.startswith("media-relayd ")
    assert run("--nonsense").returncode == 2
    assert run("--check", "--config", relay.config).returncode == 0
    bad = os.path.join(relay.folder, "bad.json")
    with open(bad, "w", encoding="utf-8") as file:
        file.write('{"relay": {"workers": "many"}}')
    refused = run("--check", "--config", bad)
    assert refused.returncode == 1 and "/relay/workers" in refused.stderr, refused
    second = run("--config", relay.config)
    assert second.returncode == 1, "another relay is there already"
    relay.realms(relay.client())


@case(pairs=4)
def exhaustion_refuses_whole_and_recovers(relay):
    client = relay.client()
    relay.realms(client)
    for session in range(1, 5):
        call(relay, client, session)
    for session in range(5, 9):
        name, failure = client.request("session_set", session=session, streams=[
            side(0, "in"), side(1, "out")])
        assert name == "failure" and failure["err"] == -2011, failure
        assert client.request("session_close", session=session)[1]["err"] == -2003
    assert client.request("session_set", session=1, streams=[side(0, "in", stream=1)])[0] == "failure"
    assert len(figures(client, 1)) == 2, "nothing changed"
    client.request("session_close", session=1)
    freed = time.monotonic()
    until(lambda: client.request("session_set", session=9, streams=[
        side(0, "in"), side(1, "out")])[0] == "session_ports", "ports come back")
    assert time.monotonic() - freed >= 4.9, "the ports rested"
    assert figures(client, 9)[0, 0]["local"][1] == relay.first


@case()
def no_descriptors_are_like_no_ports(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, _ = call(relay, client)
    spare = len(os.listdir(f"/proc/{relay.process.pid}/fd")) + 3  # two for a pair, not four
    limits = resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE, (spare, limits[1]))
    refused = client.request("session_set", session=2, streams=[side(0, "in"), side(1, "out")])
    assert refused[0] == "failure" and refused[1]["err"] == -2011, refused
    lock(a, at_a[0], b)
    resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE, limits)
    call(relay, client, 2)


@case(pairs=40)
def ports_of_others_are_stepped_over(relay):
    client = relay.client()
    taken = [udp(relay.inside, relay.first + 2 * i + i % 2) for i in range(10)]
    relay.realms(client)
    got = set()
    for session in range(20):
        local = ports(client.request("session_set", session=session, streams=[side(0, "in")]))
        got.add(local[0, 0][0][1])
    assert len(got) == 20 and min(got) >= relay.first + 20
    assert all(port % 2 == 0 for port in got) and len(taken) == 10


@case()
def realms_change_under_sessions(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client)
    relay.realms(client)
    relay.realms(client, last=relay.last - 100)
    lock(a, at_a[0], b)
    again = ports(client.request("session_set", session=1, streams=[side(1, "out", b)]))
    assert again[0, 0] == at_a
    assert client.request("realm_set", realms=[])[0] == "done"
    lock(b, at_b[0], a)
    assert client.request("session_set", session=2, streams=[side(0, "in")])[1]["err"] == -2003
    client.request("session_close", session=1)


@case()
def malformed_control_messages_harm_nobody(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client)
    lock(a, at_a[0], b)
    noise = random.Random(1)
    good = [relay.codec.encode("session_set", 1, session=2, first_timeout_ms=1, streams=[
                side(0, "in", a, payloads=[{"payload_type": 0, "clock_hz": 8000}]),
                side(1, "out", b)]),
            relay.codec.encode("realm_set", 1, realms=[
                {"name": "x", "address": "127.0.0.1", "port_min": 1, "port_max": 9, "dscp": 1}]),
            relay.codec.encode("session_close", 1, session=99),
            relay.codec.encode("session_query", 1, sessions=[{"session": 1}]),
            relay.codec.encode("session_sync", 1, last=1, sessions=[{"session": 7}])]
    for i in range(400):
        bad = relay.client(program=f"bad{i}")
        data = bytearray(noise.choice(good))
        if data[1] == 10:  # a realm_set that happens to be right would be carried out
            data = data[:noise.randrange(len(data))]
        elif noise.randrange(2):
            for _ in range(1 + noise.randrange(4)):
                data[noise.randrange(2, len(data))] = noise.randrange(256)
        else:
            data = data[:noise.randrange(len(data))]
        bad.socket.send(bytes(data) if data else b"\0")
        if i % 20 == 0:
            lock(a, at_a[0], b)
        bad.close()
    for name, values in (("session_set", {"streams": [side(2, "in")]}),
                         ("session_set", {"streams": [side(0, "in", stream=16)]}),
                         ("session_set", {"streams": [side(0, "in"), side(0, "in")]}),
                         ("session_set", {"streams": [side(0, "in", want_port=20001)]}),
                         ("session_set", {"streams": [side(0, "in", flags=1 << 31)]}),
                         ("session_set", {"streams": [side(0, "in", direction=4)]}),
                         ("session_set", {"streams": [side(0, "in", learn_from="10.0.0.0",
                                                           learn_bits=33)]}),
                         ("session_set", {"streams": [side(0, "in", remote_rtp=("224.0.0.1", 4))]}),
                         ("session_set", {"streams": [side(0, "in", payloads=[
                             {"payload_type": 128}])]}),
                         ("session_query", {"sessions": 65 * [{"session": 1}]}),
                         ("realm_set", {"realms": [{"name": "in"}]}),
                         ("realm_set", {"realms": 2 * [{"name": "in", "address": "127.0.0.1",
                                                        "port_min": 1, "port_max": 9}]}),
                         ("calls_list", {}), ("hello", {}), ("session_ports", {})):
        bad = relay.client(program="bad")
        try:
            bad.send(name, 3, **values)
            answer = bad.receive()
            assert answer[0] == "failure" and answer[2]["err"] == -2000, (name, values, answer)
            bad.receive()
            raise AssertionError(f"{name} {values}: still connected")
        except ConnectionError:
            pass
    for values, err in (({"streams": [side(0, "nowhere")]}, -2003),
                        ({"streams": [side(0, "in", remote_rtp=("::1", 4))]}, -2009)):
        answer = client.request("session_set", session=3, **values)
        assert answer[0] == "failure" and answer[1]["err"] == err, answer
    lock(a, at_a[0], b)
    lock(b, at_b[0], a)


@case()
def media_flows_on_without_its_owner(relay):
    other = relay.client(worker=1)  # numbers are the owner's own
    relay.realms(other)
    call(relay, other, 1)
    a, b = Phone(relay.inside[:-1] + "10"), Phone(relay.outside[:-1] + "20", ssrc=2)
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:  # the owner, in a process of its own that is killed
        client = relay.client()
        sides = [side(0, "in", a), side(1, "out", b)]
        answer = client.request("session_set", session=1, streams=sides)
        call(relay, client, 2)
        os.write(tell, repr(ports(answer)).encode())
        time.sleep(60)
        os._exit(0)
    local = ast.literal_eval(os.read(told, 4096).decode())
    at_a, at_b = local[0, 0], local[0, 1]
    lock(a, at_a[0], b)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    lock(a, at_a[0], b)
    lock(b, at_b[0], a)
    client = relay.client()
    relay.realms(client)
    lock(a, at_a[0], b)
    client.send("session_sync", 5, last=0, sessions=[{"session": 1}])
    client.send("session_sync", 6, last=1, sessions=[{"session": 77}])
    name, request, missing = client.receive()
    assert (name, request) == ("session_missing", 6) and missing["sessions"] == [{"session": 77}]
    lock(a, at_a[0], b)
    assert figures(client, 1)[0, 0]["packets_received"] == 24
    # 2 was not named: it ends after ten seconds of silence; 1 is silent as well, but owned.
    named = time.monotonic()
    until(lambda: not client.request("session_query", sessions=[{"session": 2}])[1]["sessions"],
          "an orphan ends")
    assert time.monotonic() - named > 9, "not before its media was silent for ten seconds"
    lock(a, at_a[0], b)
    assert figures(other, 1), "the other owner's is untouched"


@case()
def a_drained_relay_ends_with_its_last_session(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client)
    relay.process.send_signal(signal.SIGUSR1)
    time.sleep(0.2)
    refused = client.request("session_set", session=2, streams=[side(0, "in"), side(1, "out")])
    assert refused[0] == "failure" and refused[1]["err"] == -2011 and b"drained" in \
        str(refused[1]["detail"]).encode(), refused
    client.request("session_set", session=1, streams=[side(0, "in", a, stream=1),
                                                      side(1, "out", b, stream=1)])
    relay.process.send_signal(signal.SIGUSR1)  # taken back
    time.sleep(0.2)
    assert ports(client.request("session_set", session=2, streams=[side(0, "in")]))
    relay.process.send_signal(signal.SIGUSR1)
    time.sleep(0.2)
    client.request("session_close", session=2)
    lock(a, at_a[0], b)
    assert relay.process.poll() is None
    client.send("session_close", 9, session=1)
    assert relay.process.wait(20) == 0
    relay.start()
