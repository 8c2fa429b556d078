"""A browser without a window, told what to do over a pipe (the Chrome DevTools Protocol)."""

import base64
import json
import os
import select
import subprocess
import time

_ANSWER_SECONDS = 60


class Browser:
    """One page, shown in real time. What the page complains of is in `complaints`."""

    def __init__(self, directory):
        their_end, self._to = os.pipe()
        self._from, their_other_end = os.pipe()
        # The protocol is spoken on 3 and 4.
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{their_end} 4>&{their_other_end}', "bash", "chromium",
             "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--user-data-dir={directory}", "--remote-debugging-pipe", "about:blank"],
            pass_fds=(their_end, their_other_end), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(their_end)
        os.close(their_other_end)
        self._number, self._unread, self._session = 0, b"", None
        self.complaints = []
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self):
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target,
                                   flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def show(self, url, seconds):
        """The page as it is after so long, as HTML."""
        self._call("Page.navigate", url=url)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._read(left)
        return self._call("Runtime.evaluate", returnByValue=True,
                          expression="document.documentElement.outerHTML")["result"]["value"]

    def picture(self, file, width, height):
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                   deviceScaleFactor=1, mobile=False)
        file.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def _call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + _ANSWER_SECONDS
        while (left := end - time.monotonic()) > 0:
            for answer in self._read(left):
                if answer.get("id") == self._number:
                    assert "result" in answer, answer
                    return answer["result"]
        raise AssertionError(f"the browser does not answer to {method}")

    def _read(self, patience):
        """The messages that have come, within so long."""
        if not select.select([self._from], [], [], patience)[0]:
            return []
        received = os.read(self._from, 1 << 20)
        assert received, "the browser has ended"
        *whole, self._unread = (self._unread + received).split(b"\0")
        messages = [json.loads(each) for each in whole]
        for message in messages:
            self._note(message)
        return messages

    def _note(self, message):
        method, parameters = message.get("method"), message.get("params", {})
        if method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.complaints.append(parameters)
        # An answer that is refused is no fault of the page.
        if method == "Log.entryAdded" and parameters["entry"]["source"] != "network":
            self.complaints.append(parameters["entry"])
