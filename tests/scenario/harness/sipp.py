# SPDX-License-Identifier: MIT
"""SIPp as a peer: scenarios are written as lists of steps, turned into SIPp's XML, and run.

A step is send(...), receive(...) or pause(...). SIPp fills in [keywords] itself."""
import os

from .check import Failed, check
from .proc import Child, need

SDP = """v=0
o=user1 53655765 {version} IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] {address}
t=0 0
m=audio {port} RTP/AVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a={direction}
"""


ALLOW = "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE"


def sdp(direction="sendrecv", version=1, port=14000, address="[media_ip]"):
    return SDP.format(direction=direction, version=version, port=port, address=address)


def _message(lines, body):
    if body:
        lines += ["Content-Type: application/sdp"]
    text = "\n".join(lines + ["Content-Length: [len]", "", body or ""])
    return "<![CDATA[\n" + text + "\n]]>"


def request(method, body=None, first=False, caller=True, headers=(), number=None):
    """A request of the caller, or of the callee within the dialog it was called in."""
    target = "sip:[service]@[remote_ip]:[remote_port]" if first else "[next_url]"
    if caller:
        from_line = "From: \"Alice\" <sip:alice@[local_ip]:[local_port]>;tag=[pid]c[call_number]"
        to_line = "To: <sip:[service]@[remote_ip]:[remote_port]>" + ("" if first else "[peer_tag_param]")
    else:
        # The callee's own From is the INVITE's To with its tag: kept in variables by receive().
        from_line = "From: [$local]"
        to_line = "To: [$remote]"
    lines = [f"{method} {target} SIP/2.0",
             "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport",
             "Max-Forwards: 70", from_line, to_line, "Call-ID: [call_id]",
             f"CSeq: {number or '[cseq]'} {method}"]
    if method in ("INVITE", "UPDATE"):
        lines += ["Contact: <sip:peer@[local_ip]:[local_port];transport=[transport]>", ALLOW]
    retrans = "" if method == "ACK" else ' retrans="500"'
    return f"<send{retrans}>\n" + _message(lines + list(headers), body) + "\n</send>"


def respond(status, reason="x", body=None, headers=(), tagged=True, contact=True, lost=None):
    lines = [f"SIP/2.0 {status} {reason}", "[last_Via:]", "[last_From:]",
             "[last_To:]" + (";tag=[pid]s[call_number]" if tagged else ""), "[last_Call-ID:]",
             "[last_CSeq:]"]
    if contact:
        lines += ["Contact: <sip:peer@[local_ip]:[local_port];transport=[transport]>", ALLOW]
    retrans = ' retrans="500"' if status >= 200 and tagged and contact else ""
    drop = f' lost="{lost}"' if lost else ""
    return f"<send{retrans}{drop}>\n" + _message(lines + list(headers), body) + "\n</send>"


def receive(what, optional=False, actions="", rrs=False):
    kind = "request" if isinstance(what, str) else "response"
    more = (' optional="true"' if optional else "") + (' rrs="true"' if rrs else "")
    inside = f"<action>{actions}</action>" if actions else ""
    return f'<recv {kind}="{what}"{more}>{inside}</recv>'


def keep_dialog():
    """For a callee that will send requests: its From and To, made of the INVITE's."""
    return ('<ereg regexp=".*" search_in="hdr" header="From:" assign_to="remote"/>'
            '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="to"/>'
            '<assignstr assign_to="local" value="[$to];tag=[pid]s[call_number]"/>')


def pause(milliseconds):
    return f'<pause milliseconds="{milliseconds}"/>'


def write(folder, name, steps, variables=()):
    """The scenario's file. variables: those that a case sets and never reads, which SIPp refuses."""
    reference = f'<Reference variables="{",".join(variables)}"/>' if variables else ""
    text = ('<?xml version="1.0" encoding="UTF-8"?>\n<!-- SPDX-License-Identifier: MIT -->\n'
            f'<scenario name="{name}">\n' + "\n".join(steps) + f"\n{reference}</scenario>\n")
    path = os.path.join(folder, f"{name}.xml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


class Sipp(Child):
    """One SIPp process. calls: it ends by itself after so many."""

    def __init__(self, folder, name, steps, ip, port=5060, target=None, calls=1, rate=10, limit=None,
                 transport="u1", service="+493012345678", media_port=14000, variables=(), more=()):
        need("sipp")
        self.name, self.folder, self.calls = name, folder, calls
        path = write(folder, name, steps, variables)
        command = ["sipp"]
        if target:
            command.append(target)
        command += ["-sf", path, "-i", ip, "-p", str(port), "-m", str(calls), "-t", transport,
                    "-mp", str(media_port), "-s", service, "-nostdin", "-timeout", "60",
                    "-timeout_error", "-recv_timeout", "20000", "-max_socket", "256",
                    "-trace_err", "-error_file", os.path.join(folder, f"{name}.errors"),
                    "-trace_msg", "-message_file", os.path.join(folder, f"{name}.messages")]
        if target:
            command += ["-r", str(rate)]
            if limit:
                command += ["-l", str(limit)]
        super().__init__(command + list(more), os.path.join(folder, f"{name}.log"), cwd=folder)

    def done(self, timeout_s=60):
        """Waits for the end: every call must have gone through."""
        code = self.wait(timeout_s)
        if code != 0:
            errors = os.path.join(self.folder, f"{self.name}.errors")
            text = ""
            if os.path.exists(errors):
                with open(errors, encoding="utf-8", errors="replace") as file:
                    text = file.read()[:3000]
            raise Failed(f"sipp {self.name} ended with {code}:\n{text}")


def pair(case, caller, callee, calls=1, timeout_s=60, from_pbx=True, transport="u1",
         transport_callee=None, variables=((), ()), **more):
    """Runs a caller and a callee around the SBC, and waits for both."""
    slot = case.slot
    near, far, border = ((slot.pbx, slot.carrier, slot.inside) if from_pbx else
                         (slot.carrier, slot.pbx, slot.outside))
    uas = case.own(Sipp(case.folder, "callee", callee, far, calls=calls,
                        transport=transport_callee or transport, media_port=16000,
                        variables=variables[1]))
    case.wait_bound(far, 5060, (transport_callee or transport)[0] == "u")
    uac = case.own(Sipp(case.folder, "caller", caller, near, target=f"{border}:5060", calls=calls,
                        transport=transport, variables=variables[0], **more))
    uac.done(timeout_s)
    uas.done(timeout_s)
    check(True, "")
