#!/usr/bin/python3
"""The page in a browser: what it shows of a pair in four states, and that it breaks no rule of its
own policy. With --pictures DIR the pictures are kept.

    page_test.py [--pictures DIR]
"""

import contextlib
import os
import pathlib
import re
import signal
import sys
import threading

import lab
import pair
from browser import Browser
from html.parser import HTMLParser
from lab import MIB, SystemTest

PICTURES = None  # a directory
WAIT_SECONDS = 4


class Document(HTMLParser):
    """The elements of a page with their text."""

    def __init__(self, html):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "attrs": dict(attrs), "text": ""}
        self.elements.append(element)
        if tag not in ("meta", "link", "br", "input", "img"):
            self._open.append(element)

    def handle_endtag(self, tag):
        while self._open and self._open.pop()["tag"] != tag:
            pass

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def find(self, tag=None, **attrs):
        return [element for element in self.elements
                if (tag is None or element["tag"] == tag)
                and all(element["attrs"].get(name.replace("_", "-")) == value
                        for name, value in attrs.items())]

    def one(self, tag=None, **attrs):
        found = self.find(tag, **attrs)
        assert len(found) == 1, f"{tag} {attrs}: {found}"
        return found[0]


class Page(SystemTest):
    def setUp(self):
        super().setUp()
        self.pair = pair.LocalPair(self.lab)
        self.ports = self.pair.listen_for_http()
        self.pair.start()
        self.owner, self.standby = self.pair.owner(), self.pair.standby()

    def show(self, controller, name):
        """The page as it is after some looks."""
        browser = Browser(self.lab.directory / "browser")
        try:
            html = browser.show(f"http://127.0.0.1:{self.ports[controller.node]}/", WAIT_SECONDS)
            if PICTURES:
                browser.picture(PICTURES / f"{name}.png", 1100, 1000)
            self.assertEqual(browser.complaints, [])
        finally:
            browser.close()
        return Document(html)

    def text(self, document, **attrs):
        return " ".join(document.one(**attrs)["text"].split())

    def test_healthy(self):
        page = self.show(self.owner, "page-healthy")
        self.assertEqual(self.text(page, id="health"), f"{self.owner.node}: owner of epoch 1, healthy")
        alarms = page.one(id="alarms")
        if lab.is_guest():  # without a fence
            self.assertIn("this is a virtual machine", " ".join(alarms["text"].split()))
            self.assertIn("Set a fence command", self.text(page, data_kind="virtual-machine"))
        else:
            self.assertIn("hidden", alarms["attrs"])
        for controller, role in ((self.owner, "owner"), (self.standby, "standby")):
            card = self.text(page, data_node=controller.node)
            self.assertRegex(card, rf"role ?{role}.*health ?well")
        self.assertNotIn("hidden", page.one(id="no-clones")["attrs"])
        self.assertGreater(len(page.find("tr")), 1, "events")

    def test_standby_shows_the_same(self):
        page = self.show(self.standby, "page-standby")
        self.assertEqual(self.text(page, id="health"),
                         f"{self.standby.node}: standby of epoch 1, healthy")
        self.assertIn("epoch-claimed", self.text(page, id="events"))

    def test_cloning(self):
        for name in ("src", "dst"):
            self.owner.create_volume(name, 32 * MIB)
        fd = os.open(self.owner.path("src"), os.O_RDWR)
        for offset in range(0, 32 * MIB, MIB):
            os.pwrite(fd, os.urandom(MIB), offset)
        os.close(fd)
        clone = self.owner.start_clone("src", "dst", "--rate", "2M")
        lab.wait_until(lambda: self.owner.clone(clone)["extents_copied"] > 100, what="a part of it")
        page = self.show(self.owner, "page-cloning")
        card = self.text(page, data_clone=clone)
        self.assertRegex(card, rf"{clone}: src to dst.*state ?copying.*of 512 extents.*rate ?.*/s.*time left")
        label = page.one("canvas")["attrs"]["aria-label"]
        percent = int(re.search(r"(\d+) percent copied", label)[1])
        self.assertTrue(0 < percent < 100, label)
        self.owner.run("clone", "set", clone, "--rate", "10G")
        self.owner.wait_clone(clone)
        page = self.show(self.owner, "page-completed")
        self.assertRegex(self.text(page, data_clone=clone), r"state ?completed.*100 %.*residual ?0")

    def test_failover_and_degraded(self):
        fd = os.open(self.owner.create_volume("src", MIB), os.O_RDWR)
        os.close(fd)
        self.owner.kill()
        takeover = threading.Thread(target=lambda: lab.wait_until(
            lambda: self.standby.try_status()["role"] == "owner", what="a takeover"))
        takeover.start()
        page = self.show(self.standby, "page-failover")
        self.assertIn("degraded", self.text(page, id="health"))
        takeover.join()
        page = self.show(self.standby, "page-degraded")
        self.assertEqual(self.text(page, id="health"),
                         f"{self.standby.node}: owner of epoch 2, degraded")
        self.assertIn("hidden", page.one(id="slow")["attrs"])
        alarms = self.text(page, id="alarm-list")
        self.assertIn(f"node {self.owner.node} is not reachable", alarms)
        self.assertIn("What to do: Look whether that machine is on", alarms)
        self.assertRegex(self.text(page, data_node=self.owner.node), "health ?not reachable")
        self.assertEqual(page.one("title")["text"], f"! {self.standby.node}: Baton")

    def test_slow_requests(self):
        fd = os.open(self.owner.create_volume("src", MIB), os.O_RDWR)
        os.close(fd)
        fd = os.open(self.standby.path("src"), os.O_RDWR)
        self.addCleanup(os.close, fd)
        self.owner.kill()
        os.pwrite(fd, bytes(4096), 8192)
        row = self.text(self.show(self.standby, "page-slow"), id="slow-list")
        self.assertRegex(row, r"write of 4.00 KiB at 8192 ?src.*owner \d")

    def test_an_owner_that_hangs_stops_no_status(self):
        """What waits for the owner has no answer; the rest goes on being asked."""
        pid = self.owner.controller_pid()
        os.kill(pid, signal.SIGSTOP)
        self.addCleanup(self._let_go_on, pid)
        page = self.show(self.standby, "page-owner-hangs")
        self.assertIn(self.standby.node, self.text(page, id="health"))
        self.assertIn("hidden", page.one(id="age")["attrs"])
        self.assertEqual(len(page.find(data_node=self.standby.node)), 1)

    def _let_go_on(self, pid):
        with contextlib.suppress(ProcessLookupError):  # its keeper has ended it by now
            os.kill(pid, signal.SIGCONT)

    def test_it_is_usable_without_eyes_and_without_a_mouse(self):
        page = self.show(self.owner, "page-healthy")
        self.assertEqual(page.one("html")["attrs"]["lang"], "en")
        self.assertEqual(len(page.find("h1")), 1)
        for section in page.find("section"):
            title = page.one(id=section["attrs"]["aria-labelledby"])
            self.assertEqual(title["tag"], "h2")
        self.assertEqual(page.one(id="health")["attrs"]["aria-live"], "polite")
        for region in page.find("div", role="region"):
            self.assertEqual(region["attrs"]["tabindex"], "0")
        self.assertTrue(all(cell["attrs"].get("scope") == "col" for cell in page.find("th")))


if __name__ == "__main__":
    if "--pictures" in sys.argv:
        position = sys.argv.index("--pictures")
        PICTURES = pathlib.Path(sys.argv[position + 1]).resolve()
        del sys.argv[position:position + 2]
    lab.main()
