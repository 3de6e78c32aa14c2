# SPDX-License-Identifier: MIT
"""A call's media recorded to pcap over REST; tshark and capinfos judge the files."""
import os
import shutil
import subprocess

from harness import sdp
from harness.case import case
from harness.check import Skip, check, equal, eventually
from harness.proc import need
from harness.rtp import exchange

from cases.basic import establish, hang_up


def payloads(path):
    done = subprocess.run(["tshark", "-r", path, "-T", "fields", "-e", "ip.src", "-e", "udp.srcport",
                           "-e", "ip.dst", "-e", "udp.payload"], capture_output=True, text=True,
                          timeout=30, check=False)
    check(done.returncode == 0 and "cut short" not in done.stderr, f"tshark: {done.stderr}")
    return [line.split("\t") for line in done.stdout.splitlines()]


def call_with_media(t, pbx, carrier):
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    to_near = sdp.Session(caller.answer.body).target
    to_far = sdp.Session(callee.invite.body).target
    exchange(near, to_near, far, source=to_far)
    exchange(far, to_far, near, source=to_near)
    return caller, callee, near, far, to_near, to_far


@case("a call is recorded, listed, downloaded and deleted over REST", short=True)
def recorded(t):
    need("tshark", "capinfos")
    sbc = t.sbc()
    pbx, carrier = t.peers()
    caller, callee, near, far, to_near, to_far = call_with_media(t, pbx, carrier)
    call, = sbc.calls()
    equal(call["recording"], None, "recording before")
    path = f"/calls/{call['id']}/recording"
    sbc.rest("DELETE", path, wanted=404)
    for wrong in ([], {"decrypted": 1}, {"encrypted": True}, "x"):
        sbc.rest("POST", path, wrong, 400)
    sbc.rest("POST", "/calls/nobody/recording", {}, 404)
    equal(sbc.rest("GET", "/recordings"), {"items": [], "next": None}, "recordings before")
    status, headers, made = sbc.http("POST", "/api/v1" + path, {"decrypted": True})
    equal((status, made["call_id"], made["decrypted"]), (201, call["id"], True), "begun")
    sbc.rest("POST", path, {}, 409)
    there, back = near.send(to_near, 20), far.send(to_far, 10)
    equal(len(far.receive(20)), 20, "packets that went on")
    shown = sbc.rest("GET", f"/calls/{call['id']}")["recording"]
    equal(shown, {"state": "decrypted", "packets": 30, "packets_dropped": 0}, "shown")
    sbc.rest("DELETE", path, wanted=204)
    near.send(to_near, 5)
    equal(sbc.rest("GET", f"/calls/{call['id']}")["recording"], None, "recording after")
    file = os.path.join(sbc.state, "recordings", made["name"])
    eventually(lambda: len(payloads(file)) == 30, "thirty packets in the file")
    equal(os.stat(file).st_mode & 0o777, 0o600, "mode")
    rows = payloads(file)
    equal(sorted(row[3] for row in rows), sorted(p.hex() for p in there + back), "what was said")
    equal({tuple(row[:3]) for row in rows}, {(pbx.ip, "14000", t.slot.inside),
                                             (carrier.ip, "16000", t.slot.outside)}, "addresses")
    listed, = sbc.rest("GET", "/recordings")["items"]
    equal((listed["name"], listed["bytes"]), (made["name"], os.path.getsize(file)), "listed")
    url = headers["Location"]
    with open(file, "rb") as raw:
        import urllib.request  # the harness decodes bodies as text
        request = urllib.request.Request(f"http://{sbc.api}{url}",
                                         headers={"Authorization": f"Bearer {sbc.token()}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            equal(answer.headers["Content-Type"], "application/vnd.tcpdump.pcap", "type")
            equal(answer.read(), raw.read(), "the download")
    info = subprocess.run(["capinfos", "-E", "-c", file], capture_output=True, text=True, timeout=30,
                          check=False).stdout
    check("Raw IP" in info and "30" in info, info)
    equal(sbc.http("GET", url, token="x" * 64)[0], 401, "without a token")
    for ghost in ("..%2fapi.token", "api.token", "x.1.arrived.pcap", "..", made["name"] + ".x"):
        sbc.rest("GET", f"/recordings/{ghost}", wanted=404)
        sbc.rest("DELETE", f"/recordings/{ghost}", wanted=404)
    sbc.rest("POST", path, wanted=201)
    hang_up(caller, callee)
    sbc.wait_idle()
    pages, cursor = [], ""
    while cursor is not None:
        page = sbc.rest("GET", f"/recordings?limit=1{'&cursor=' + cursor if cursor else ''}")
        pages += [item["name"] for item in page["items"]]
        cursor = page["next"]
    equal((len(pages), pages), (2, sorted(pages)), "by pages")
    for name in pages:
        sbc.rest("DELETE", f"/recordings/{name}", wanted=204)
    equal(os.listdir(os.path.join(sbc.state, "recordings")), [], "files afterwards")
    metrics = sbc.metrics()
    check(any(name.startswith("sbc_relay_recorded_packets_total") for name in metrics), "metrics")


@case("a disk that is full ends the recording, not the call; the call's own CDR is written")
def full_disk(t):
    if os.getuid() != 0 or not shutil.which("mount"):
        raise Skip("a small file system needs root")
    sbc = t.sbc()
    folder = os.path.join(sbc.state, "recordings")
    os.mkdir(folder, 0o700)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=72m", "tmpfs", folder],
                          capture_output=True, check=False)
    if done.returncode != 0:
        raise Skip("tmpfs cannot be mounted here")
    try:
        pbx, carrier = t.peers()
        caller, callee, near, far, to_near, to_far = call_with_media(t, pbx, carrier)
        call, = sbc.calls()
        path = f"/calls/{call['id']}/recording"
        sbc.rest("POST", path, wanted=201)
        near.send(to_near, 5)
        with open(os.path.join(folder, "filler"), "wb") as filler:
            filler.write(bytes(12 << 20))

        def state():
            near.send(to_near, 1)
            return (sbc.rest("GET", f"/calls/{call['id']}")["recording"] or {}).get("state")
        eventually(lambda: state() == "failed", "the recording ends", 10)
        check("event=recording" in sbc.children["media-relayd"].output(), "the log tells")
        far.flush()
        near.flush()
        exchange(near, to_near, far, source=to_far)
        sbc.rest("POST", path, wanted=503)
        os.unlink(os.path.join(folder, "filler"))
        sbc.rest("POST", path, wanted=201)
        hang_up(caller, callee)
        sbc.wait_cdrs(1)
        equal([v for k, v in sbc.metrics().items() if "recordings_failed_total" in k], [1.0], "counted")
    finally:
        subprocess.run(["umount", "-l", folder], check=False)
