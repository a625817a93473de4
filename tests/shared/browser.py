"""A real browser without a window, driven by the protocol of its developer tools."""

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import connect
from websockets.sync.connection import Connection

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 300.0


class Browser:
    """One page of a browser."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._numbers = connection, itertools.count(1)
        self._credentials: tuple[str, str] | None = None
        self.tell("Page.enable")

    def tell(self, method: str, **parameters: Any) -> Any:
        """Send one command and return its answer; what the browser asks meanwhile is answered."""
        number = self._send(method, **parameters)
        while True:
            message = json.loads(self._connection.recv(PATIENCE))
            if message.get("method") == "Fetch.authRequired":
                self._answer(message["params"]["requestId"])
            elif message.get("method") == "Fetch.requestPaused":
                self._send("Fetch.continueRequest", requestId=message["params"]["requestId"])
            elif message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def sign_in_with(self, user: str, password: str) -> None:
        """Answer with *user* and *password* when a server asks, as a person does at the prompt."""
        self._credentials = (user, password)
        self.tell("Fetch.enable", handleAuthRequests=True)

    def go(self, url: str) -> None:
        """Open *url*."""
        self.tell("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """Return what *script* comes to in the page; it may be a promise."""
        answer = self.tell("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, script: str, patience: float = PATIENCE) -> Any:
        """Return what *script* comes to once that is true; a page that is not there yet makes nothing true."""
        told = f"const it = {script}; return it instanceof Node || it"
        script = f"(() => {{ try {{ {told} }} catch {{ return false }} }})()"
        deadline = time.monotonic() + patience
        while not (found := self.evaluate(script)):
            assert time.monotonic() < deadline, f"{script}: {self.evaluate('document.body?.innerText')}"
            time.sleep(0.3)
        return found

    def type_into(self, selector: str, text: str) -> None:
        """Type *text* into the field at *selector*, and press Enter."""
        self.evaluate(f"document.querySelector({selector!r}).focus()")
        self.tell("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            self.tell(
                "Input.dispatchKeyEvent",
                type=kind,
                key="Enter",
                code="Enter",
                windowsVirtualKeyCode=13,
                text="\r",
            )

    def picture(self, file: Path) -> None:
        """Keep in *file* what the page looks like."""
        file.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot")["data"]))

    def _send(self, method: str, **parameters: Any) -> int:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        return number

    def _answer(self, request: str) -> None:
        assert self._credentials is not None
        user, password = self._credentials
        answer = {"response": "ProvideCredentials", "username": user, "password": password}
        self._send("Fetch.continueWithAuth", requestId=request, authChallengeResponse=answer)


@contextmanager
def browser(folder: Path, *more: str) -> Iterator[Browser]:
    """Run a browser whose profile is in *folder*, with *more* flags."""
    assert CHROMIUM is not None
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1280,900",
        "--remote-debugging-port=0",
        *more,
    ]
    log = folder / "chromium.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [CHROMIUM, *flags, f"--user-data-dir={folder / 'profile'}", "about:blank"],
            stdout=stream,
            stderr=stream,
        )
    try:
        port_file = folder / "profile" / "DevToolsActivePort"
        deadline = time.monotonic() + PATIENCE
        while not port_file.exists() or not port_file.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        port = port_file.read_text().splitlines()[0]
        pages = httpx.get(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE).json()
        (address,) = [each["webSocketDebuggerUrl"] for each in pages if each["type"] == "page"]
        with connect(address, max_size=None, open_timeout=PATIENCE, ping_interval=None) as connection:
            yield Browser(connection)
    finally:
        process.terminate()
        process.wait(30)
