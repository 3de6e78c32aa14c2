# SPDX-License-Identifier: MIT
"""A phone in a headless Chromium (JsSIP), and Kamailio as the PBX that it is registered at over a
WebSocket. The library comes from npm, into a folder of the build."""
import http.server
import json
import os
import threading

from .browser import Browser
from .check import Skip
from .proc import Server, need

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "web")
PACKAGES = {"jssip": "jssip/lib/JsSIP.js", "debug": "debug/src/browser.js", "ms": "ms/index.js",
            "events": "events/events.js", "sdp-transform": "sdp-transform/lib/index.js"}

PBX = """\
#!KAMAILIO
# A registrar with a WebSocket door for browsers; what comes from the SBC goes to who is registered.
debug=2
log_stderror=yes
fork=yes
children=1
auto_aliases=no
tcp_accept_no_cl=yes
tcp_children=1
listen=udp:{pbx}:5060
listen=tcp:{pbx}:8088
mpath="{mpath}"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "nathelper.so"
loadmodule "xhttp.so"
loadmodule "websocket.so"
modparam("nathelper|registrar", "received_avp", "$avp(received)")

request_route {{
	if (!mf_process_maxfwd_header("10")) {{
		sl_send_reply("483", "Too Many Hops");
		exit;
	}}
	if (is_method("REGISTER")) {{
		fix_nated_register();
		save("location");
		exit;
	}}
	if (proto == WS && is_method("INVITE|UPDATE")) {{
		add_contact_alias();
	}}
	if (is_method("CANCEL")) {{
		if (t_check_trans()) t_relay();
		exit;
	}}
	if (has_totag()) {{
		if (loose_route()) {{
			handle_ruri_alias();
			t_relay();
		}} else if (is_method("ACK")) {{
			if (t_check_trans()) t_relay();
		}} else {{
			sl_send_reply("404", "Not here");
		}}
		exit;
	}}
	t_check_trans();
	record_route();
	t_on_reply("FROM_BROWSER");
	if (proto == WS) {{
		$ru = "sip:" + $rU + "@{border}:5060";
		t_relay();
		exit;
	}}
	if (!lookup("location")) {{
		sl_send_reply("404", "Not here");
		exit;
	}}
	t_relay();
}}

onreply_route[FROM_BROWSER] {{
	if (proto == WS) add_contact_alias();
}}

event_route[xhttp:request] {{
	if ($hdr(Upgrade) =~ "websocket") {{
		if (ws_handle_handshake()) exit;
	}}
	xhttp_reply("404", "Not Found", "", "");
}}
"""


class WebPbx(Server):
    def __init__(self, folder, ip, border, modules):
        need("kamailio")
        if not os.path.exists(os.path.join(modules, "websocket.so")):
            raise Skip("Kamailio's WebSocket module is not installed")
        path = os.path.join(folder, "kamailio-web.cfg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(PBX.format(pbx=ip, border=border, mpath=modules))
        super().__init__(["kamailio", "-DD", "-E", "-f", path, "-Y", folder, "-w", folder, "-m", "32",
                          "-M", "4"], os.path.join(folder, "kamailio-web.log"))


def modules_script():
    """Every source of the library in one script, with a `require` that finds them."""
    top = os.path.join(HERE, "..", "..", "..", "build-node", "node_modules")
    if not os.path.isdir(os.path.join(top, "jssip")):
        raise Skip("JsSIP is not installed (npm)")
    sources = {}
    for package in PACKAGES:
        for folder, _, names in os.walk(os.path.join(top, package)):
            for name in names:
                path = os.path.join(folder, name)
                if name.endswith(".js") or name == "package.json":
                    with open(path, encoding="utf-8") as file:
                        sources[os.path.relpath(path, top)] = file.read()
    with open(os.path.join(HERE, "require.js"), encoding="utf-8") as file:
        return (f"const sources = {json.dumps(sources)};\nconst packages = {json.dumps(PACKAGES)};\n"
                + file.read())


class Pages:
    """The phone's files over HTTP on an address of the slot (a secure context: it is loopback)."""

    def __init__(self, ip, port=8000):
        texts = {"/modules.js": modules_script()}
        for name in ("phone.html", "phone.js"):
            with open(os.path.join(HERE, name), encoding="utf-8") as file:
                texts["/" + name] = file.read()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=C0103
                text = texts.get(self.path)
                self.send_response(200 if text else 404)
                kind = "text/html" if self.path.endswith(".html") else "text/javascript"
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.end_headers()
                self.wfile.write((text or "").encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((ip, port), Handler)
        self.url = f"http://{ip}:{port}/phone.html"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class WebPhone(Browser):
    """One registered browser phone; `hertz` is its voice."""
    FLAGS = ["--autoplay-policy=no-user-gesture-required", "--allow-loopback-in-peer-connection",
             "--disable-features=WebRtcHideLocalIpsWithMdns", "--use-fake-ui-for-media-stream",
             "--use-fake-device-for-media-stream"]

    def __init__(self, folder, pages, pbx, name, hertz):
        super().__init__(folder, flags=self.FLAGS)
        self.open(pages.url)
        self.until("typeof phone === 'object'", "the phone's scripts")
        self.run(f"phone.start('ws://{pbx}:8088', 'sip:{name}@{pbx}', {hertz})")
        self.until("phone.registered", "the registration", 10)

    def call(self, target):
        self.run(f"phone.call({json.dumps(target)})")

    def wait_up(self):
        state = self.until("phone.state !== 'idle' && phone.state !== 'ringing' && phone.state",
                           "the call's end or beginning", 15)
        return state, self.run("phone.cause")

    def stats(self):
        return self.run("phone.stats()")

    def hears(self):
        return self.run("phone.hears()")
