# SPDX-License-Identifier: MIT
"""The first page in a real browser: signing in, a live call, hanging it up, what a keyboard and a
narrow window get, what is said when something is away, and text of strangers that would be code."""
import json
import time

from cases.basic import establish
from harness import sdp
from harness.browser import Browser
from harness.case import case
from harness.check import check, equal, eventually
from harness.rtp import MediaPeer
from harness.sip import Call

ROWS = "document.querySelectorAll('#calls tbody tr').length"


def browse(t, sbc, **more):
    browser = t.own(Browser(t.folder, **more))
    browser.open(f"http://{sbc.api}/")
    return browser


def sign_in(browser, token):
    browser.click("#token")
    browser.type(token)
    browser.press("Enter")


def quiet(browser):
    """Nothing was stopped by the policy, nothing thrown, nothing complained about."""
    equal(browser.run("stopped"), [], "what the policy stopped")
    equal(browser.console, [], "the console")


@case("the page shows a live call with its figures, and hangs it up after a question")
def hang_up(t):
    sbc = t.sbc()
    browser = browse(t, sbc)
    sign_in(browser, sbc.token())
    browser.until("document.querySelector('#calls-note').innerText.includes('No call is up')", "no call")
    equal(browser.run("sessionStorage.length + localStorage.length"), 1, "what is kept, in this tab only")

    pbx, carrier = t.peers()
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    ours, theirs = MediaPeer(pbx.ip, 14000), MediaPeer(carrier.ip, 16000)
    t.own(ours)
    t.own(theirs)
    offer, answer = sdp.Session(callee.invite.body).audio, sdp.Session(caller.answer.body).audio
    ours.send((answer.address, answer.port), 40, 0.002)
    lossy = [theirs.packet() for _ in range(40)]
    for packet in lossy[:10] + lossy[20:]:
        theirs.rtp.sendto(packet, (offer.address, offer.port))
    browser.until(f"{ROWS} === 1", "the call is seen within 5 s", 5)
    shown = browser.until("""(() => {
        const cells = [...document.querySelectorAll('#calls tbody td')].map((td) => td.innerText);
        return cells[5].includes('lost') && cells;
    })()""", "the figures of the media")
    equal(shown[0], "answered", "the state")
    equal(shown[1:3], ["alice\npbx", "+493012345678\ncarrier"], "from and to")
    # What the relay counted, as the API tells it.
    media = {m["side"]: m for m in sbc.calls()[0]["media"]}
    check("0.0 % lost" in shown[4] and "25.0 % lost" in shown[5], f"{shown}: {media}")
    check(f"MOS {media[1]['mos']:.2f}" in shown[5] and "poor" in shown[5], f"{shown}: {media}")
    before = browser.text("#calls .clock")
    browser.until(f"document.querySelector('#calls .clock').innerText !== {json.dumps(before)}",
                  "the clock ticks")
    check("1" in browser.text("#figures") and f"version {sbc.rest('GET', '/stats')['config_version']}"
          in browser.text("#figures"), browser.text("#figures"))
    equal(browser.text("#state"), "ready for calls", "the state")
    trunks = browser.run("""[...document.querySelectorAll('#trunks tbody tr')].map((tr) =>
        [...tr.cells].map((td) => td.innerText))""")
    equal([row[:2] for row in trunks], [["pbx", "1"], ["carrier", "1"]], "the trunks and their calls")
    check(f"sip:{t.slot.pbx}:5060" in trunks[0][3] and f"sip:{t.slot.carrier}:5060" in trunks[1][3],
          f"the gateways in {trunks}")

    # Asked first, and Escape keeps the call and the place; then with the mouse.
    browser.run("document.querySelector('#calls tbody button').focus()")
    browser.press("Enter")
    browser.until("document.querySelector('#hangup').open", "the question")
    equal(browser.text("#hangup-call"), "alice → +493012345678", "what is asked about")
    browser.press("Escape")
    browser.until("!document.querySelector('#hangup').open", "the question is gone")
    equal(browser.run("document.activeElement.innerText"), "Hang up", "where the focus is")
    check(len(sbc.calls()) == 1, "the call is kept")
    browser.click("#calls tbody button")
    browser.click("#hangup-yes")
    caller.take_bye()
    callee.take_bye()
    browser.until("document.querySelector('#notice').innerText.startsWith('Hung up')", "the page says so")
    browser.until(f"{ROWS} === 0", "the row leaves")
    cdr, = sbc.wait_cdrs(1)
    equal(cdr["result"], "answered", "the CDR")
    quiet(browser)
    browser.click("#leave")
    equal(browser.run("sessionStorage.length"), 0, "what is kept after signing out")


@case("a refresh keeps focus and selection, a narrow window needs no sideways scrolling")
def in_place(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    dialogs = [establish(t, pbx, carrier, t.slot.inside, f"+4930{n}") for n in range(3)]
    browser = browse(t, sbc)
    sign_in(browser, sbc.token())
    browser.until(f"{ROWS} === 3", "three calls")
    browser.run("""(() => {
        globalThis.rows = [...document.querySelectorAll('#calls tbody tr')];
        globalThis.middle = rows.find((tr) => tr.innerText.includes('+49301'));
        middle.querySelector('button').focus();
        getSelection().selectAllChildren(middle.cells[2].firstChild);
        globalThis.changes = 0;
        new MutationObserver((list) => changes += list.filter((m) => m.type === 'childList' &&
            (m.target.tagName === 'TBODY' || m.target.tagName === 'TR')).length)
            .observe(document.querySelector('#calls'), { subtree: true, childList: true });
    })()""")
    kept = """document.activeElement === middle.querySelector('button') &&
        getSelection().toString() === '+49301'"""
    updated = browser.text("#updated")
    refreshed = f"document.querySelector('#updated').innerText !== {json.dumps(updated)}"
    browser.until(refreshed, "a refresh", 6)
    check(browser.run(kept), "focus and selection after a refresh")
    equal(browser.run("changes"), 0, "rows and cells that were made anew")
    # A call before it and a call after it come and go.
    first = establish(t, pbx, carrier, t.slot.inside, "+49309")
    browser.until(f"{ROWS} === 4", "the fourth")
    for caller, callee in (dialogs[0], first):
        caller.request("BYE")
        callee.take_bye()
        caller.expect(200, method="BYE")
    browser.until(f"{ROWS} === 2", "two are left")
    check(browser.run(kept), "focus and selection after calls came and went")
    # Its own call ends: the focus stays near.
    caller, callee = dialogs[1]
    caller.request("BYE")
    callee.take_bye()
    browser.until(f"{ROWS} === 1", "one is left")
    equal(browser.run("document.activeElement.id"), "calls-frame", "where the focus went")
    for width in (360, 768, 1280):
        browser.size(width, 800)
        check(browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth"),
              f"sideways scrolling at {width}")
    # As a screen reader has it, also where rows are shown as cards.
    browser.size(360, 800)
    roles = [node["role"]["value"] for node in
             browser.ask("Accessibility.getFullAXTree")["nodes"] if not node.get("ignored")]
    equal([roles.count(role) for role in ("table", "row", "columnheader")], [2, 2 + 1 + 2, 7 + 4],
          "tables, rows and headers of columns")
    for role in ("status", "alert", "region", "caption"):
        check(role in roles, f"no {role} among {sorted(set(roles))}")
    quiet(browser)


@case("a wrong token, and each program away, are told in words")
def away(t):
    sbc = t.sbc()
    browser = browse(t, sbc)
    for wrong in ("sbc_wrong", "fünf €"):
        sign_in(browser, wrong)
        browser.until("document.querySelector('#refused').innerText.includes('token')", "the refusal")
        equal(browser.run("[sessionStorage.length, document.activeElement.id]"), [0, "token"],
              "forgotten, and asked again")
    check(sbc.metrics()["sbc_api_auth_failures_total"] == 1, "one wrong token counts once")
    sign_in(browser, sbc.token())
    browser.until("!document.querySelector('#views').hidden", "the tables")
    sbc.kill("sbcd")
    browser.until("document.querySelector('#state').innerText.includes('sbcd: not connected')", "sbcd away")
    check("sbcd is away" in browser.text("#calls-note") and "sbcd is away" in browser.text("#trunks-note"),
          browser.text())
    sbc.restart("sbcd")
    browser.until("document.querySelector('#state').innerText === 'ready for calls'", "sbcd back", 15)
    sbc.kill("mgmt-apid")
    browser.until("document.querySelector('#away').innerText.includes('does not answer')", "the API away")
    check(not browser.run("document.querySelector('#views').hidden"), "what was known stays")
    sbc.restart("mgmt-apid")
    browser.until("document.querySelector('#away').hidden && "
                  "document.querySelector('#state').innerText === 'ready for calls'", "the API back", 15)
    equal(browser.run("stopped"), [], "what the policy stopped")


@case("after too many wrong tokens the page says how long to wait")
def too_many(t):
    sbc = t.sbc()
    browser = browse(t, sbc)
    for pause_s in [0] * 10 + [2.2, 4.2]:  # the wait doubles: long enough for slow fingers then
        time.sleep(pause_s)
        equal(sbc.http("GET", "/api/v1/trunks", token="wrong")[0], 401, "a wrong token")
    sign_in(browser, "sbc_wrong")
    browser.until("/Too many wrong tokens.*wait \\d+ seconds/.test("
                  "document.querySelector('#refused').innerText)", "the refusal")
    sign_in(browser, sbc.token())
    browser.until("!document.querySelector('#views').hidden", "the right one is taken all the same")


# Each would set `hacked` if any of the ways from text to code were open.
EVIL = ['"><img src=x onerror=hacked=1>', "<script>hacked=1</script>", "{{constructor.constructor('hacked=1')()}}",
        "${hacked=1}", "<svg/onload=hacked=1>", "javascript:hacked=1", "'-hacked-'", "<b>&lt;i&amp;"]


def quoted(text):
    """A display name (RFC 3261 25.1: quoted-string)."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def user(text):
    """A user part that has these characters, escaped."""
    return "".join(c if c.isalnum() else f"%{ord(c):02X}" for c in text)


@case("names, numbers and Call-IDs of strangers are shown as text and never run")
def strangers(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    for text in EVIL:
        # A Call-ID may hold most of it as it is (RFC 3261 25.1: word).
        call = Call(pbx, (t.slot.inside, 5060))
        call.call_id = "".join(c for c in text if c not in " @=;$&") + "1"
        call.calling = "x"
        call.local = f'"{quoted(text)}" <sip:{user(text)}@{pbx.hostport}>;tag=1'
        call.remote = f'"{quoted(text)}" <sip:{user(text)}@{t.slot.inside}>'
        call.remote_target = f"sip:{user(text)}@{t.slot.inside}:5060"
        call.send_invite(sdp.compose(pbx.ip, 14000))
        Call.receive(carrier).reply(180)
        call.expect(180)
    listed = eventually(lambda: (lambda c: len(c) == len(EVIL) and c)(sbc.calls()), "all calls")
    browser = browse(t, sbc)
    sign_in(browser, sbc.token())
    browser.until(f"{ROWS} === {len(EVIL)}", "all calls are seen")
    shown = browser.run("""[...document.querySelectorAll('#calls tbody tr')].map((tr) =>
        [tr.cells[1].firstChild.textContent, tr.cells[2].firstChild.textContent])""")
    equal(sorted(shown), sorted([c["calling"], c["called"]] for c in listed), "what is shown")
    equal(sorted(number for number, _ in shown), sorted(EVIL), "the numbers, as they were meant")
    # The question names the call too, and so does what is said after it.
    browser.click("#calls tbody button")
    browser.until("document.querySelector('#hangup').open", "the question")
    browser.click("#hangup-yes")
    browser.until(f"{ROWS} === {len(EVIL) - 1}", "one is gone")
    equal(browser.run("typeof hacked"), "undefined", "the flag that code would set")
    equal(browser.run("document.querySelectorAll('main img, main svg, main b, main script, main i').length"),
          0, "elements made of text")
    quiet(browser)
    # The flag and the watch are no dead bulbs: the policy stops an inline handler and says so.
    browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=hacked=1>')")
    browser.until("stopped.some((what) => what.startsWith('script-src-attr'))", "the watch works")
    equal(browser.run("typeof hacked"), "undefined", "the flag, stopped by the policy")


@case("whatever text the API gives, in any field, is shown as text and never run")
def any_field(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    for number in ("1", "2", "3"):
        establish(t, pbx, carrier, t.slot.inside, number)
    browser = t.own(Browser(t.folder))
    # Every text of every answer but the times has all of them before it.
    browser.ask("Page.addScriptToEvaluateOnNewDocument", source=f"""(() => {{
        const evil = {json.dumps("".join(EVIL))}, real = fetch;
        globalThis.fetch = async (...request) => {{
            const answer = await real(...request);
            return new Response(JSON.stringify(JSON.parse(await answer.text(), (key, value) =>
                typeof value === "string" && key !== "now" && !key.endsWith("_at")
                    ? evil + value : value)), {{ status: answer.status }});
        }};
    }})()""")
    browser.open(f"http://{sbc.api}/")
    sign_in(browser, sbc.token())
    browser.until(f"{ROWS} === 3", "three calls")
    shown = browser.run("document.body.textContent")
    node = sbc.rest("GET", "/stats")["node"]
    for text in ("answered", "pbx", "carrier", "alice", f"sip:{t.slot.pbx}:5060", node):
        check("".join(EVIL) + text in shown, f"{text} as it is, in {shown}")
    browser.click("#calls tbody button")
    check("".join(EVIL) in browser.text("#hangup-call"), "the question")
    browser.click("#hangup-yes")
    browser.until("!document.querySelector('#notice').hidden", "what is said after it")
    equal(browser.run("[typeof hacked, document.querySelectorAll('main img, main svg, main b, main script')"
                      ".length]"), ["undefined", 0], "the flag, and elements made of text")
    equal(browser.run("stopped"), [], "what the policy stopped")


@case("the policy alone stops inline code, foreign code and framing")
def policy(t):
    sbc = t.sbc()
    browser = browse(t, sbc)
    browser.run("""(() => {
        const script = document.createElement('script');
        script.textContent = 'globalThis.hacked = 1';
        document.body.append(script);
        const foreign = document.createElement('script');
        foreign.src = 'http://127.77.255.1/x.js';
        document.body.append(foreign);
        const frame = document.createElement('iframe');
        frame.src = '/';
        document.body.append(frame);
        document.body.append(Object.assign(document.createElement('style'), { textContent: '*{}' }));
    })()""")
    found = browser.until("stopped.length >= 4 && stopped", "four violations")
    equal(sorted(line.split()[0] for line in found),
          ["frame-src", "script-src-elem", "script-src-elem", "style-src-elem"], "what was stopped")
    equal(browser.run("typeof hacked"), "undefined", "the flag")
