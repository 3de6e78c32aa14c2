# SPDX-License-Identifier: MIT
"""The REST API as strangers meet it: without a token, with ambiguous framing, too much, too slowly, and with
what is no JSON."""
import glob
import os
import re
import socket
import time

from harness.case import case
from harness.check import Skip, check, equal

CORPORA = os.environ.get("SBC_CORPORA") or os.environ.get("SBC_CORPORA_DEFAULT", "")


class Raw:
    """One TCP connection on which exact bytes are sent."""

    def __init__(self, sbc):
        host, port = sbc.api.rsplit(":", 1)
        self.host = host
        self.socket = socket.create_connection((host, int(port)), 5)
        self.socket.settimeout(5)

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
        return self

    def read(self):
        """Everything until the server closes or is silent for a while."""
        self.socket.settimeout(1)
        data = b""
        try:
            while chunk := self.socket.recv(65536):
                data += chunk
        except (socket.timeout, ConnectionError):
            pass
        self.socket.close()
        return data

    def statuses(self):
        return [int(s) for s in re.findall(rb"HTTP/1\.[01] (\d{3})", self.read())]


def raw(sbc, request):
    return Raw(sbc).send(request).statuses()


# ---- the gate ----

TARGETS = ["/api/v1/trunks", "/api/v1/trunks/", "//api/v1/trunks", "/api//v1/trunks",
           "/api/../api/v1/trunks", "/api/v1/./trunks", "/api/v1/health/../trunks",
           "/api/v1/health/%2e%2e/trunks", "/api/v1/health%2f..%2ftrunks", "/api/v1/health/",
           "/api/v1/health?/../trunks/x", "/API/V1/TRUNKS", "/api/v1/%74runks", "/api/v1/nothing",
           "/nothing", "/metrics", "/api/v1/openapi.json", "/ui/", "/ui/../metrics", "/api/v1/health%00",
           "/.", "/..", "/%2e", "/api/v1/health;x=1", "/api/v1/config", "/api/v1/ready/x"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "X"]
HEADERS = ["", "Authorization:\r\n", "Authorization: Bearer\r\n", "Authorization: Bearer \r\n",
           "Authorization: Basic YWRtaW46YWRtaW4=\r\n", "authorization: token\r\n",
           "X-Forwarded-For: 127.0.0.1\r\n", "X-Original-URL: /api/v1/health\r\n",
           "X-HTTP-Method-Override: GET\r\n", "X-Rewrite-URL: /api/v1/health\r\n"]


@case("without a token every path and method answers 401", short=True)
def gate(t):
    sbc = t.sbc()
    token = sbc.token()
    open_target = "/api/v1/health?/../trunks/x"  # the query is no path: this is /health

    def refused(line, headers=""):
        got = raw(sbc, f"{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")
        check(got and set(got) <= {401, 400}, f"{line!r} with {headers!r}: {got}")
        return got[0]

    for target in TARGETS:
        for method in METHODS:
            if target == open_target and method in ("GET", "HEAD"):
                continue
            refused(f"{method} {target}")
    for headers in HEADERS:
        equal(refused("GET /api/v1/trunks", headers), 401, f"{headers!r}")
    # Two of them, each right by itself; a token in the wrong places.
    bearer = f"Authorization: Bearer {token}\r\n"
    equal(refused("GET /api/v1/trunks", bearer + bearer), 401, "the header twice")
    equal(refused("GET /api/v1/trunks", f"Cookie: token={token}\r\n"), 401, "a cookie")
    equal(refused(f"GET /api/v1/trunks?token={token}&access_token={token}"), 401, "in the query")
    equal(refused(f"GET http://{sbc.api}/api/v1/health"), 401, "absolute form")
    for line in ("GET /api/v1/trunks\r\n", "GET /api/v1/trunks HTTP/0.9\r\n\r\n",
                 "GET /api/v1/trunks HTTP/1.0\r\n\r\n"):
        got = Raw(sbc).send(line).read()
        check(b"pbx" not in got, f"{line!r} was answered: {got[:200]}")
    equal(sbc.http("GET", "/api/v1/trunks")[0], 200, "with the token")


@case("an address that guesses waits, and a valid token always passes", short=True)
def guesses(t):
    sbc = t.sbc()
    statuses = [sbc.http("GET", "/api/v1/trunks", token=f"sbc_{n:052}")[0] for n in range(12)]
    equal(statuses, [401] * 10 + [429] * 2, "twelve wrong tokens")
    fields = sbc.http("GET", "/api/v1/nothing", token="wrong")[1]
    check(int(fields["Retry-After"]) >= 1, f"{dict(fields)}")
    equal(sbc.http("GET", "/api/v1/trunks")[0], 200, "the right token meanwhile")
    equal(sbc.http("GET", "/api/v1/trunks", token=None)[0], 401, "no token: nothing was guessed")
    check(sbc.metrics()["sbc_api_auth_failures_total"] == 10, "counted once each")


@case("every answer carries the headers that bind a browser", short=True)
def security_headers(t):
    sbc = t.sbc()
    for path, token in (("/", None), ("/ui/app.js", None), ("/api/v1/trunks", None),
                        ("/api/v1/trunks", True), ("/api/v1/nothing", True), ("/metrics", True)):
        fields = sbc.http("GET", path, token=token)[1]
        policy = fields["Content-Security-Policy"]
        check("frame-ancestors 'none'" in policy and "unsafe" not in policy and
              "default-src 'none'" in policy, f"{path}: {policy}")
        equal(fields["X-Content-Type-Options"], "nosniff", path)
        check("Access-Control-Allow-Origin" not in fields, f"{path}: {dict(fields)}")
    page = sbc.http("GET", "/", token=None)[2]
    check("<script>" not in page and "style=" not in page and not re.search(r"\son\w+=", page),
          "inline script or style in the page")
    for name in re.findall(r'(?:src|href)="(/ui/[^"]+)"', page):
        equal(sbc.http("GET", name, token=None)[0], 200, name)
    # Text of calls must have no way to become markup or code.
    scripts = sbc.http("GET", "/ui/app.js", token=None)[2]
    imported = re.findall(r'from "(/ui/\w+\.js)"', scripts)
    check(len(imported) >= 3, f"{imported}")
    scripts += "".join(sbc.http("GET", name, token=None)[2] for name in imported)
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(",
                 "DOMParser", "srcdoc", "setAttribute"):
        check(word not in scripts, f"{word} in the page's scripts")


# ---- framing ----

def smuggled(body):
    return f"GET /api/v1/config HTTP/1.1\r\nHost: x\r\n\r\n{body}"


@case("ambiguous framing is refused and the connection closed", short=True)
def framing(t):
    sbc = t.sbc()
    head = (f"PUT /api/v1/trunks/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sbc.token()}\r\n")
    inner = f"DELETE /api/v1/trunks/pbx HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sbc.token()}\r\n\r\n"
    cases = {
        "length and chunked": f"{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
        "two lengths": f"{head}Content-Length: 2\r\nContent-Length: {2 + len(inner)}\r\n\r\n{{}}{inner}",
        "the same length twice": f"{head}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}{inner}",
        "a list of lengths": f"{head}Content-Length: 2, 2\r\n\r\n{{}}{inner}",
        "a signed length": f"{head}Content-Length: +2\r\n\r\n{{}}{inner}",
        "a negative length": f"{head}Content-Length: -1\r\n\r\n{inner}",
        "a length in hex": f"{head}Content-Length: 0x2\r\n\r\n{{}}{inner}",
        "a huge length": f"{head}Content-Length: 99999999999999999999999\r\n\r\n{inner}",
        "another encoding": f"{head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{inner}",
        "chunked twice": f"{head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
        "an odd encoding": f"{head}Transfer-Encoding: xchunked\r\n\r\n{inner}",
        "a space before the colon": f"{head}Content-Length : 2\r\n\r\n{{}}{inner}",
        "a bad chunk": f"{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n{inner}",
        "a chunk that overflows": f"{head}Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{{}}\r\n0\r\n\r\n{inner}",
        "two hosts": f"{head}Host: y\r\nContent-Length: 2\r\n\r\n{{}}{inner}",
    }
    for what, request in cases.items():
        got = raw(sbc, request)
        # The library may repeat its refusal; whatever comes is one, and then the connection ends.
        check(all(400 <= status < 500 for status in got), f"{what}: {got}")
        equal(sbc.http("GET", "/api/v1/trunks/pbx")[0], 200, f"after {what} the trunk")
        equal(sbc.http("GET", "/api/v1/trunks/x")[0], 404, f"after {what} no trunk")
    # Not ambiguous, so it works: a body in chunks.
    body = '{"valid":'
    got = raw(sbc, f"{head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                   f"{len(body):x}\r\n{body}\r\n2\r\n1}}\r\n0\r\n\r\n")
    equal(got, [422], "a body in chunks")


@case("a large body is refused early, a slow one harms nobody", short=True)
def large(t):
    sbc = t.sbc()
    head = f"PUT /api/v1/config HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sbc.token()}\r\n"
    begin = time.monotonic()
    # Nothing of the body is sent: the announced length is enough.
    equal(Raw(sbc).send(f"{head}Content-Length: 1048577\r\n\r\n").statuses(), [413], "1 MiB and 1")
    check(time.monotonic() - begin < 3, "answered before the body")
    chunk = "10000\r\n" + "x" * 65536 + "\r\n"
    equal(Raw(sbc).send(f"{head}Transfer-Encoding: chunked\r\n\r\n{chunk * 17}0\r\n\r\n").statuses(),
          [413], "more than 1 MiB in chunks")
    equal(sbc.http("PUT", "/api/v1/config", b'"' + b"x" * 1048574 + b'"')[0], 422, "1 MiB of text")
    slow = Raw(sbc).send(f"{head}Content-Length: 1000\r\n\r\n{{")
    others = [Raw(sbc).send("GET /api/v1/health HTTP/1.1\r\nX-Slow:") for _ in range(20)]
    equal(sbc.http("GET", "/api/v1/trunks")[0], 200, "beside slow senders")
    for connection in [slow] + others:
        connection.socket.close()


# ---- JSON ----

@case("JSONTestSuite: never a 5xx, and what is no JSON is 400", short=True)
def json_suite(t):
    files = sorted(glob.glob(os.path.join(CORPORA, "rest-json/JSONTestSuite/test_parsing/*.json")))
    if not files:
        raise Skip("the JSONTestSuite is not there")
    sbc = t.sbc()
    before = sbc.rest("GET", "/config")
    for path in files:
        name = os.path.basename(path)
        with open(path, "rb") as file:
            body = file.read()
        for method, target in (("PUT", "/config"), ("PUT", "/trunks/x"), ("PATCH", "/trunks/pbx")):
            status, fields, answer = sbc.http(method, "/api/v1" + target, body)
            if name.startswith("n_"):
                equal(status, 400, f"{method} {name}")
            else:
                # A patch may be valid JSON that changes nothing, such as an empty object.
                check(400 <= status < 500 or (method == "PATCH" and status == 200),
                      f"{method} {name}: {status} {answer}")
            if status >= 400:
                check(fields["Content-Type"] == "application/problem+json", f"{name}: {dict(fields)}")
    equal(sbc.rest("GET", "/config"), before, "the document afterwards")


@case("a depth bomb and duplicates are refused at once", short=True)
def bombs(t):
    sbc = t.sbc()
    for body in (b"[" * 100000, b"[" * 100000 + b"]" * 100000, b'{"a":' * 100000, b"[" * 33 + b"]" * 33):
        status, _, answer = sbc.http("PUT", "/api/v1/config", body)
        equal(status, 400, f"{body[:5]!r} …: {answer}")
    for body in (b'{"trunks":[],"trunks":[]}', b'{"a":1e400}', b'"\\ud800"', b'"\xff"', b"\x00",
                 b"[1]\x00", b"\xef\xbb\xbf{}", b"", b"// c\n{}"):
        equal(sbc.http("PUT", "/api/v1/config", body)[0], 400, f"{body!r}")
    equal(sbc.http("PUT", "/api/v1/config", b"<x/>", {"Content-Type": "text/xml"})[0], 415, "XML")
