# SPDX-License-Identifier: MIT
"""A headless Chromium, driven through its DevTools protocol over a pair of pipes (JSON texts with a
NUL after each): no port, no library. Kept to this machine: every other host name resolves to nothing."""
import base64
import fcntl
import json
import os
import select
import time

from .check import Failed, check
from .proc import Child, need

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.*", "--remote-debugging-pipe"]
# Runs before every script of the page, in its world: what a policy stopped is kept.
WATCH = """globalThis.stopped = [];
addEventListener("securitypolicyviolation", (event) =>
    stopped.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));"""
KEYS = {"Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), "Tab": ("Tab", 9, ""),
        " ": ("Space", 32, " ")}


def high_pipe():
    """A pipe whose ends are no fd that Chromium's 3 and 4 could be made over."""
    low = os.pipe()
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20) for fd in low]
    for fd in low:
        os.close(fd)
    return high


class Browser:
    """One tab. `console` holds what it complained about: errors, exceptions, refused loads."""

    def __init__(self, folder, width=1280, height=900, flags=()):
        need("chromium")
        theirs_in, self.to = high_pipe()
        self.back, theirs_out = high_pipe()
        home = os.path.join(folder, "chromium")
        os.makedirs(home)
        words = ["chromium", *FLAGS, *flags, f"--user-data-dir={home}", f"--window-size={width},{height}"]
        # bash puts the pipes where Chromium looks for them: it reads 3 and writes 4.
        self.child = Child(["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", *words],
                           os.path.join(folder, "chromium.log"), env={**os.environ, "HOME": home},
                           pass_fds=(theirs_in, theirs_out))
        os.close(theirs_in)
        os.close(theirs_out)
        self.buffer, self.serial, self.session, self.console = b"", 0, None, []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for room in ("Page", "Runtime", "Log"):
            self.ask(f"{room}.enable")
        self.ask("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        # Or they would cover the edge of a picture.
        self.ask("Emulation.setScrollbarsHidden", hidden=True)

    # ---- the protocol ----
    def read(self, timeout_s):
        """The next message; None: nothing came in time."""
        end = time.monotonic() + timeout_s
        while b"\0" not in self.buffer:
            if not select.select([self.back], [], [], max(0, end - time.monotonic()))[0]:
                return None
            data = os.read(self.back, 1 << 20)
            check(data, f"chromium ended:\n{self.child.output()[-2000:]}")
            self.buffer += data
        raw, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(raw)

    def note(self, message):
        """Keeps what the console shows as an error."""
        kind, what = message.get("method"), message.get("params", {})
        if kind == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
            self.console.append(f"{what['entry']['text']} {what['entry'].get('url', '')}")
        elif kind == "Runtime.exceptionThrown":
            self.console.append(json.dumps(what["exceptionDetails"]))
        elif kind == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
            self.console.append(json.dumps(what["args"]))

    def ask(self, method, **params):
        self.serial += 1
        request = {"id": self.serial, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.to, json.dumps(request).encode() + b"\0")
        while True:
            message = self.read(30)
            check(message is not None, f"chromium does not answer {method}")
            if message.get("id") == self.serial:
                check("error" not in message, f"{method}: {message.get('error')}")
                return message["result"]
            self.note(message)

    # ---- the page ----
    def open(self, url):
        self.ask("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'", "the page")

    def run(self, script):
        """The value of an expression, evaluated in the page; promises are awaited."""
        got = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        check("exceptionDetails" not in got, f"{script}: {got.get('exceptionDetails')}")
        return got["result"].get("value")

    def until(self, script, text, timeout_s=5.0):
        end = time.monotonic() + timeout_s
        while True:
            got = self.run(script)
            if got:
                return got
            if time.monotonic() > end:
                raise Failed(f"{text}: not within {timeout_s} s: {script}\nthe page:\n{self.text()}")
            time.sleep(0.05)

    def text(self, selector="body"):
        """What a reader sees of it."""
        return self.run(f"document.querySelector({json.dumps(selector)}).innerText")

    def click(self, selector):
        """With the mouse, in the middle of the element: it must be there and on top."""
        spot = self.until(f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            if (!element) return null;
            element.scrollIntoView({{ block: "center" }});
            const box = element.getBoundingClientRect();
            const spot = [box.x + box.width / 2, box.y + box.height / 2];
            return element.contains(document.elementFromPoint(...spot)) ? spot : null;
        }})()""", f"{selector} can be clicked")
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=spot[0], y=spot[1], button="left",
                     clickCount=1)

    def type(self, text):
        self.ask("Input.insertText", text=text)

    def press(self, key):
        code, number, text = KEYS[key]
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, code=code, text=text,
                 windowsVirtualKeyCode=number)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, code=code,
                 windowsVirtualKeyCode=number)

    def size(self, width, height):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=False)

    def scheme(self, name):
        self.ask("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self, path):
        """The whole page as a PNG: for people who look into a failure."""
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.ask("Page.captureScreenshot", format="png",
                                                 captureBeyondViewport=True)["data"]))

    def abandon(self):
        self.child.abandon()
        os.close(self.to)
        os.close(self.back)
