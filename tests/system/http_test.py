#!/usr/bin/python3
"""What a controller shows by HTTP, asked as Prometheus and other programs ask."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import threading
import time
import urllib.request

import lab
import nodes
import pair
import scrape
from lab import MIB, SystemTest
from scrape import Metrics

SCRAPE_SECONDS = 0.05  # with 256 volumes
ALL_SHOWN = 256
SLOW_KEPT = 256
# How far a takeover may be from its forecast, both ways: docs/observation.md. The seconds are for a
# machine that is busy.
FORECAST_FACTOR = 1.5
FORECAST_SLACK = 0.5
# Where the time of a request goes.
TIMES = ("queued", "owner", "lock", "log", "preserve", "storage", "peer", "other")

# The keys of answers. Others may come, none may go: programs of other people use them.
KEYS = {
    "/v1/status": """node role owner epoch proof nodes healthy problems version pid pool pool_id mount durability
        uptime_seconds pool_total_bytes pool_free_bytes garbled_messages clones clones_left_out keeper_pid restarts
        serving_after_ms first_answer_after_ms takeover proof_covers lease_age_ms view_sequence view_behind warm
        warnings pool_full_in_seconds reserve_bytes write_log issues open_files
        takeover_forecast""",
    "/v1/volumes/src": """name size_bytes allocated_bytes path id thick importing open_count clone_ids offline
        changed_unix_us locked_by""",
    "/v1/clones/dst": """id source target state extent_bytes extents_total extents_copied extents_pending
        extents_copying extents_landing copies_total certificate error size_bytes rate_bytes_per_second on_error
        created_unix_us started_unix_us completed_unix_us latency_target_us host_p99_us
        copy_limit_bytes_per_second""",
    "/v1/clones/dst/residual": """id extents_pending extents_copying extents_landing extents_residual bytes_residual
        sequence extents_named pending copying landing runs_left_out""",
    "/v1/volumes": "volumes",
    "/v1/clones": "clones",
    "/v1/events": "events",
    "/v1/trace/slow": "requests slow_us under_way answered dropped",
}
EVENT_KEYS = "version sequence unix_us epoch node kind text clone_id"
NODE_KEYS = "name role reachable state epoch problem heard_ms evicted"


def write(path, offset, length):
    fd = os.open(path, os.O_RDWR)
    assert os.pwrite(fd, os.urandom(length), offset) == length
    os.fsync(fd)
    os.close(fd)


class HttpTest(SystemTest):
    def start(self, **options):
        self.port = pair.free_port()
        controller = self.lab.make_controller(
            options=["--http-listen", str(self.port)], **options)
        controller.start()
        return controller

    def metrics(self, **options):
        return Metrics(self.port, **options)

    def wait_answered(self, port=None):
        """Until somebody answers /metrics. Returns the answer, and the time that it took."""
        begin = time.monotonic()

        def answer():
            with contextlib.suppress(OSError):
                return Metrics(port or self.port, timeout=5)
            return None
        return lab.wait_until(answer, what="/metrics", every=0.005), time.monotonic() - begin


class Hosts(HttpTest):
    def setUp(self):
        super().setUp()
        self.controller = self.start()

    def test_requests_are_counted_by_kind_and_volume(self):
        for name in ("one", "two"):
            self.controller.create_volume(name, 4 * MIB)
        write(self.controller.path("one"), 0, 8192)
        fd = os.open(self.controller.path("two"), os.O_RDONLY)
        os.pread(fd, 4096, 0)
        os.close(fd)
        before = self.metrics()
        self.assertEqual(before("host_bytes_total", kind="write", volume="one"), 8192)
        self.assertEqual(before("host_bytes_total", kind="read", volume="two"), 4096)
        self.assertEqual(before("host_requests_total", kind="flush", volume="one"), 1)
        self.assertEqual(before("host_requests_total", kind="write", volume="two"), 0)
        write(self.controller.path("one"), 0, MIB)
        lab.run("fallocate", "--punch-hole", "--offset", 0, "--length", MIB,
                self.controller.path("one"))
        after = self.metrics()
        self.assertEqual(after("host_bytes_total", kind="write", volume="one"), 8192 + MIB)
        self.assertEqual(after("host_bytes_total", kind="discard", volume="one"), MIB)
        writes = sum(after.all("host_requests_total", kind="write"))
        self.assertEqual(after("host_request_duration_seconds_count", kind="write"), writes)
        self.assertGreater(after("host_request_duration_seconds_sum", kind="write"), 0)
        self.assertEqual(after("host_request_duration_seconds_bucket", kind="write", le="+Inf"),
                         writes)

    def test_deleted_volume_has_no_series(self):
        write(self.controller.create_volume("one", MIB), 0, 4096)
        self.assertEqual(self.metrics()("host_requests_total", kind="write", volume="one"), 1)
        self.controller.run("volume", "delete", "one")
        self.assertEqual(self.metrics().all("host_requests_total", volume="one"), [])

    def test_scrape_is_quick_with_many_volumes_and_has_a_limit(self):
        for number in range(ALL_SHOWN + 4):
            write(self.controller.create_volume(f"v{number}", MIB), 0, 4096)
        seconds = []
        for _ in range(20):
            metrics = self.metrics()
            seconds.append(metrics.seconds)
        volumes = {labels["volume"] for name, labels, _ in metrics.series if "volume" in labels}
        self.assertEqual(len(volumes), ALL_SHOWN + 1)
        self.assertEqual(metrics("host_bytes_total", kind="write", volume="(other)"), 4 * 4096)
        print(f"/metrics with {ALL_SHOWN + 4} volumes: {statistics.median(seconds) * 1e3:.1f} ms, at most "
              f"{max(seconds) * 1e3:.1f} ms, {len(metrics.text)} bytes, {len(metrics.series)} series")
        self.assertLess(statistics.median(seconds), SCRAPE_SECONDS)

    def test_every_metric_is_documented(self):
        text = (lab.SOURCE / "docs/observation.md").read_text()
        self.assertEqual(self.metrics().names(), set(re.findall(r"^\| `(baton_\w+)`", text, re.M)))


class Clones(HttpTest):
    def setUp(self):
        super().setUp()
        self.controller = self.start()
        for name in ("src", "dst"):
            self.controller.create_volume(name, 16 * MIB)
        write(self.controller.path("src"), 0, 16 * MIB)

    def test_clone_is_shown_while_it_is_copied(self):
        clone = self.controller.start_clone("src", "dst", "--rate", "2M")
        labels = {"clone": clone, "source": "src", "target": "dst"}
        self.metrics()
        time.sleep(3)
        metrics = self.metrics()
        extents = {state: metrics("clone_extents", state=state, **labels)
                   for state in ("pending", "copying", "landing", "copied")}
        self.assertEqual(sum(extents.values()), 256)
        self.assertGreater(extents["copied"], 0)
        self.assertEqual(metrics("clones", state="copying"), 1)
        self.assertEqual(metrics("clone_rate_limit_bytes_per_second", **labels), 2 * MIB)
        rate = metrics("clone_copy_bytes_per_second", **labels)
        self.assertTrue(0.5 * MIB < rate < 4 * MIB, rate)
        left = metrics("clone_left_seconds", **labels)
        self.assertTrue(1 < left < 20, left)
        self.controller.run("clone", "set", clone, "--rate", "10G")
        self.controller.wait_clone(clone)
        metrics = self.metrics()
        self.assertEqual(metrics("clone_extents", state="copied", **labels), 256)
        self.assertEqual(metrics("clone_info", state="completed", **labels), 1)
        self.assertEqual(metrics("clone_copies_beyond_extents", **labels), 0)
        self.assertEqual(metrics.all("clone_copy_bytes_per_second", **labels), [])

    def test_first_writes_are_counted_by_their_way(self):
        def counts():
            metrics = self.metrics()
            return [metrics("host_first_write_duration_seconds_count", way=way)
                    for way in ("log", "preserve")]
        write(self.controller.path("src"), 0, 4096)
        self.assertEqual(counts(), [0, 0])
        clone = self.controller.start_clone("src", "dst", "--rate", "64K")
        for extent in range(8, 16):
            write(self.controller.path("src"), extent * 64 * 1024 + 100, 10)  # never logged
        self.assertEqual(counts()[1], 8)
        lab.wait_until(lambda: self.metrics()("write_log_room_bytes") > 0, what="room of the log")
        write(self.controller.path("src"), 32 * 64 * 1024, 4096)
        self.assertEqual(counts(), [1, 8])
        write(self.controller.path("src"), 8 * 64 * 1024, 4096)
        self.assertEqual(counts(), [1, 8], "of an extent that was copied")
        self.assertGreater(self.metrics()("host_first_write_duration_seconds_sum", way="preserve"), 0)
        self.controller.run("clone", "stop", clone)
        write(self.controller.path("src"), 64 * 64 * 1024, 4096)
        self.assertEqual(counts(), [1, 8])

    def test_answers_are_those_of_baton(self):
        self.controller.wait_clone(self.controller.start_clone("src", "dst"))
        for path, command in (("/v1/volumes", ("volume", "list")),
                              ("/v1/volumes/src", ("volume", "show", "src")),
                              ("/v1/clones", ("clone", "list")),
                              ("/v1/clones/dst", ("clone", "status", "dst")),
                              ("/v1/clones/dst/residual", ("clone", "residual", "dst")),
                              ("/v1/events", ("events",))):
            with self.subTest(path=path):
                self.assertEqual(scrape.get(self.port, path).json(),
                                 self.controller.json(*command))
        status = scrape.get(self.port, "/v1/status").json()
        self.assertEqual(status.keys(), self.controller.json("status").keys())
        self.assertEqual(status["clones"], self.controller.json("status")["clones"])

    def test_keys_that_there_were_are_there(self):
        self.controller.wait_clone(self.controller.start_clone("src", "dst"))
        answers = {path: scrape.get(self.port, path).json() for path in KEYS}
        for path, keys in KEYS.items():
            with self.subTest(path=path):
                self.assertEqual(set(keys.split()) - answers[path].keys(), set())
        self.assertEqual(set(EVENT_KEYS.split()) - answers["/v1/events"]["events"][0].keys(), set())
        self.assertEqual(set(NODE_KEYS.split()) - answers["/v1/status"]["nodes"][0].keys(), set())

    def test_description_names_every_path_and_key(self):
        described = scrape.get(self.port, "/v1/openapi.json").json()
        self.assertEqual(described["openapi"][:2], "3.")
        patterns = [re.sub(r"\{\w+\}", "[^/]+", path) for path in described["paths"]]
        schemas = described["components"]["schemas"]
        for path, keys in KEYS.items():
            self.assertTrue(any(re.fullmatch(each, path) for each in patterns), path)
            with self.subTest(path=path):
                each = next(path_ for path_, each in zip(described["paths"], patterns)
                            if re.fullmatch(each, path))
                schema = described["paths"][each]["get"]["responses"]["200"]["content"][
                    "application/json"]["schema"]["$ref"].split("/")[-1]
                self.assertEqual(set(keys.split()) - schemas[schema]["properties"].keys(), set())

    def test_events_come_in_pages(self):
        events = self.controller.json("events")["events"]
        first = scrape.get(self.port, "/v1/events?limit=1").json()["events"]
        self.assertEqual(first, events[:1])
        rest = scrape.get(self.port, f"/v1/events?after={first[0]['sequence']}").json()["events"]
        self.assertEqual(rest, events[1:])
        newest = scrape.get(self.port, "/v1/events?newest=true&limit=2").json()["events"]
        self.assertEqual(newest, events[-2:])
        all_of_them = scrape.get(self.port, "/v1/events?newest=true").json()["events"]
        self.assertEqual(all_of_them, events)

    def test_extents_of_a_residual(self):
        clone = self.controller.start_clone("src", "dst", "--rate", "64K")
        answer = scrape.get(self.port, f"/v1/clones/{clone}/residual?extents=true").json()
        self.assertGreater(len(answer["pending"]), 0)

    def test_refusals_have_a_status_and_a_reason(self):
        for path, status, code in (("/v1/clones/77", 404, "NOT_FOUND"),
                                   ("/v1/volumes/none", 404, "NOT_FOUND"),
                                   ("/v1/volumes/..%2F..%2Fetc%2Fpasswd", 404, "NOT_FOUND"),
                                   ("/v1/volumes/BAD", 400, "INVALID_ARGUMENT"),
                                   ("/v1/events?after=x", 400, "INVALID_ARGUMENT"),
                                   ("/v1/clones/dst/residual?extents=1", 400, "INVALID_ARGUMENT"),
                                   ("/v2/status", 404, "NOT_FOUND"), ("/../etc/passwd", 404, "NOT_FOUND"),
                                   ("/v1/", 404, "NOT_FOUND"), ("//", 404, "NOT_FOUND")):
            with self.subTest(path=path):
                answer = scrape.get(self.port, path)
                self.assertEqual(answer.status, status)
                self.assertEqual(answer.json()["error"]["code"], code)
                self.assertEqual(answer.headers["Content-Type"], "application/json")
                self.assertEqual(len(answer.json()["error"]["message"].splitlines()), 1)


class Security(HttpTest):
    def setUp(self):
        super().setUp()
        self.controller = self.start()

    def test_page_is_one_file_that_runs_only_its_own_script(self):
        answer = scrape.get(self.port, "/")
        self.assertEqual(answer.status, 200)
        policy = answer.headers["Content-Security-Policy"]
        nonce = re.search(r"script-src 'nonce-([0-9a-f]{32})'", policy)[1]
        self.assertIn("default-src 'none'", policy)
        self.assertNotIn("unsafe", policy)
        self.assertIn(f'<script nonce="{nonce}">', answer.body)
        self.assertEqual(re.findall(r"""(?:src|href|action)=["']?([^"'>\s]*)""", answer.body), [])
        self.assertNotIn("://", re.sub(r"http://www\.w3\.org/\S+", "", answer.body))
        self.assertNotIn(nonce, scrape.get(self.port, "/").body)

    def test_nobody_reads_it_from_another_origin(self):
        for path in ("/", "/metrics", "/v1/status"):
            answer = scrape.get(self.port, path, Origin="http://evil.example")
            self.assertIsNone(answer.headers["Access-Control-Allow-Origin"], path)
            self.assertEqual(scrape.get(self.port, path, Host="evil.example").status, 403, path)
        self.assertEqual(scrape.get(self.port, "/metrics", Host="localhost").status, 200)

    def test_nothing_can_be_changed(self):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            self.assertEqual(scrape.get(self.port, "/v1/status", method=method).status, 405, method)
        head = scrape.get(self.port, "/v1/status", method="HEAD")
        self.assertEqual((head.status, head.body), (200, ""))

    def test_only_loopback_listens(self):
        listening = lab.run("ss", "-Htln").stdout.splitlines()
        addresses = [line.split()[3] for line in listening]
        self.assertEqual([each for each in addresses if each.endswith(f":{self.port}")],
                         [f"127.0.0.1:{self.port}"])


class Stream(HttpTest):
    def follow(self):
        """Yields each status of the stream."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v1/stream", timeout=10) as answer:
            self.assertEqual(answer.headers["Content-Type"], "text/event-stream")
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    def test_change_is_said_at_once_and_the_status_is_that_of_baton(self):
        controller = self.start()
        news = self.follow()
        status = next(news)
        self.assertEqual(status.keys(), controller.json("status").keys())
        self.assertEqual(status["open_files"], 0)
        path = controller.create_volume("one", MIB)
        fd = os.open(path, os.O_RDWR)
        begin = time.monotonic()
        while next(news)["open_files"] == 0:
            pass
        seconds = time.monotonic() - begin
        os.close(fd)
        print(f"a change of the status is said after {seconds * 1e3:.0f} ms")
        self.assertLess(seconds, 1.5)

    def test_stop_and_upgrade_end_it_and_wait_for_nobody(self):
        controller = self.start()
        news = self.follow()
        next(news)
        deaf = socket.create_connection(("127.0.0.1", self.port))
        self.addCleanup(deaf.close)
        deaf.send(b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        controller.upgrade()
        with self.assertRaises((StopIteration, OSError, http.client.HTTPException)):
            while True:
                next(news)
        news = self.follow()
        self.wait_answered()
        next(news)
        begin = time.monotonic()
        controller.stop()
        self.assertLess(time.monotonic() - begin, 5)

    def test_only_this_machine_may_follow(self):
        self.start()
        self.assertEqual(scrape.get(self.port, "/v1/stream", Host="evil.example").status, 403)


class Kinds(HttpTest):
    def test_page_and_documentation_know_every_kind(self):
        self.start()
        kinds = {labels["kind"] for name, labels, _ in self.metrics().series if name == "baton_problems"}
        self.assertGreater(len(kinds), 15)
        page = scrape.get(self.port, "/").body
        advice = page[page.index("const ADVICE"):page.index("const advice")]
        self.assertEqual(set(re.findall(r'^  "([a-z-]+)": ', advice, re.M)), kinds - {"other"})
        text = (lab.SOURCE / "docs/observation.md").read_text()
        listed = re.search(r"^Kinds are (.*?)\. ", text, re.M | re.S)[1]
        self.assertEqual(set(re.findall(r"`([a-z-]+)`", listed)), kinds)


class Lives(HttpTest):
    def test_killed_controller_is_followed_by_one_that_answers(self):
        controller = self.start()
        write(controller.create_volume("one", MIB), 0, 4096)
        controller.spare_pid()
        ends = threading.Event()

        def host():
            while not ends.is_set():
                write(controller.path("one"), 0, 4096)
        writer = threading.Thread(target=host)
        writer.start()
        try:
            controller.wait_restarted(controller.kill_controller())
            _, seconds = self.wait_answered()
            print(f"/metrics is back {seconds * 1e3:.0f} ms after the controller")
        finally:
            ends.set()
            writer.join()
        metrics = self.metrics()
        self.assertEqual(metrics("controller_restarts_total"), 1)
        self.assertGreater(metrics("last_stall_seconds", cause="restart"), 0)
        self.assertGreater(metrics("host_requests_total", kind="write", volume="one"), 0)

    def test_upgrade_has_a_short_gap(self):
        controller = self.start()
        gaps, ends = [], threading.Event()

        def ask():
            last = time.monotonic()
            while not ends.is_set():
                with contextlib.suppress(OSError):
                    Metrics(self.port, timeout=5)
                    gaps.append(time.monotonic() - last)
                    last = time.monotonic()
                time.sleep(0.002)
        thread = threading.Thread(target=ask)
        thread.start()
        controller.upgrade()
        time.sleep(1)
        ends.set()
        thread.join()
        print(f"longest gap of /metrics over an upgrade: {max(gaps) * 1e3:.0f} ms")
        self.assertEqual(self.metrics()("controller_restarts_total"), 1)
        self.assertLess(max(gaps), 5)

    def test_setting_that_came_with_an_upgrade_is_followed(self):
        self.port = pair.free_port()
        file = self.lab.directory / "batond.toml"
        file.write_text("")
        controller = self.lab.make_controller(options=["--config", str(file)])
        controller.start()
        with self.assertRaises(OSError):
            self.metrics()
        file.write_text(f'[http]\nlisten = "{self.port}"\n')
        controller.upgrade()
        self.wait_answered()

    def test_clients_that_hang_hold_up_neither_others_nor_a_stop(self):
        controller = self.start()
        hanging = []
        for _ in range(100):
            hanging.append(socket.create_connection(("127.0.0.1", self.port)))
            hanging[-1].send(b"GET /metrics HTTP/1.1\r\nHost: loc")
        for _ in range(10):
            self.assertLess(self.metrics().seconds, 2)
        begin = time.monotonic()
        controller.upgrade()
        self.wait_answered()
        self.assertLess(time.monotonic() - begin, 8)
        begin = time.monotonic()
        controller.stop()
        self.assertLess(time.monotonic() - begin, 5)
        for each in hanging:
            each.close()

    def test_scrapes_do_not_disturb_a_stop_or_an_upgrade(self):
        controller, ends = self.start(), threading.Event()

        def ask():
            while not ends.is_set():
                with contextlib.suppress(OSError):
                    scrape.get(self.port, "/metrics", timeout=5)
        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            self.wait_answered()
            controller.upgrade()
            controller.stop()
            controller.start()
        ends.set()
        for thread in threads:
            thread.join()
        kinds = [each["kind"] for each in controller.json("events")["events"]]
        self.assertEqual(kinds.count("controller-upgraded"), 3)
        self.assertNotIn("controller-restarted", kinds)

    def test_port_that_is_taken_is_said_at_the_start(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            controller = self.lab.make_controller(options=["--http-listen", str(port)])
            code, line = controller.start_refused()
            self.assertEqual(code, 1)
            self.assertEqual(line, f"batond: http.listen: another process listens on 127.0.0.1:{port}; stop it "
                                   "or choose another port")
            self.assertFalse(os.path.ismount(controller.mount))
        controller.start()
        Metrics(port)

    def test_port_that_somebody_took_meanwhile_does_not_stop_the_mount(self):
        controller = self.start()
        write(controller.create_volume("one", MIB), 0, 4096)
        controller.spare_pid()
        pid = controller.controller_pid()
        taken = threading.Event()
        thief = socket.socket()
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

        def take():
            while not taken.is_set():
                with contextlib.suppress(OSError):
                    thief.bind(("127.0.0.1", self.port))
                    thief.listen()
                    taken.set()
        os.kill(controller.process.pid, signal.SIGSTOP)  # the keeper starts nobody meanwhile
        controller.kill_controller()
        take_thread = threading.Thread(target=take)
        take_thread.start()
        take_thread.join(10)
        os.kill(controller.process.pid, signal.SIGCONT)
        status = controller.wait_restarted(pid)
        self.assertTrue(status["healthy"], status["problems"])
        self.assertTrue(any(line.startswith("http: ") for line in status["warnings"]), status)
        self.assertEqual([each["text"] for each in status["issues"] if each["kind"] == "http"],
                         [line for line in status["warnings"] if line.startswith("http: ")])
        write(controller.path("one"), 0, 4096)
        thief.close()
        metrics, _ = self.wait_answered()
        self.assertEqual(metrics("warnings", kind="http"), 0)

    def test_ipv6(self):
        port = pair.free_port()
        controller = self.lab.make_controller(options=["--http-listen", f"[::1]:{port}"])
        controller.start()
        self.assertEqual(scrape.get(port, "/metrics", host="[::1]").status, 200)


class HangingStorage(HttpTest):
    def test_request_that_hangs_is_shown_with_what_it_waits_for(self):
        storage = nodes.Storage(self.lab, self.lab.make_pool(), "mirror")
        self.lab.on_close(storage.fence)
        controller = self.start(pool=storage.mount)
        path = controller.create_volume("one", MIB)
        write(path, 0, 8192)
        self.assertEqual(controller.json("trace", "slow")["under_way"], 0)
        storage.fault("writes hang")
        host = threading.Thread(target=write, args=(path, 4096, 4096))
        host.start()
        slow = lab.wait_until(lambda: controller.json("trace", "slow")["requests"], what="a slow request")
        self.assertEqual((slow[0]["kind"], slow[0]["volume"], slow[0]["offset"], slow[0]["length"]),
                         ("write", "one", 4096, 4096))
        self.assertTrue(slow[0]["under_way"])
        self.assertEqual(slow[0]["doing"], "storage")
        answer = scrape.get(self.port, "/v1/trace/slow?limit=1", timeout=2).json()
        self.assertEqual(answer["requests"][0]["unix_us"] // 10 ** 5, slow[0]["unix_us"] // 10 ** 5)
        self.assertGreater(answer["requests"][0]["total_us"], slow[0]["total_us"])
        self.assertIn("under way: storage", controller.run("trace", "slow").stdout)
        time.sleep(0.5)
        storage.heal()
        host.join()
        slow = controller.json("trace", "slow")
        done = slow["requests"][-1]
        self.assertFalse(done["under_way"])
        self.assertGreater(done["storage_us"], 500_000)
        self.assertGreater(done["storage_us"], 0.9 * done["total_us"])
        self.assertEqual(sum(done[each + "_us"] for each in TIMES), done["total_us"])
        self.assertGreaterEqual(slow["answered"], 1)
        self.assertEqual(slow["dropped"], 0)

    def test_limit_is_a_setting(self):
        self.port = pair.free_port()
        file = self.lab.directory / "batond.toml"
        file.write_text(f'[http]\nlisten = "{self.port}"\n[trace]\nslow_seconds = 0.001\n')
        storage = nodes.Storage(self.lab, self.lab.make_pool(), "mirror")
        self.lab.on_close(storage.fence)
        controller = self.lab.make_controller(pool=storage.mount, options=["--config", str(file)])
        controller.start()
        path = controller.create_volume("one", MIB)
        storage.fault("writes delay 5")
        for _ in range(SLOW_KEPT + 20):
            write(path, 0, 512)
        slow = controller.json("trace", "slow")
        self.assertEqual(slow["slow_us"], 1000)
        self.assertEqual(len(slow["requests"]), SLOW_KEPT)
        self.assertEqual(slow["answered"] - slow["dropped"], SLOW_KEPT)
        self.assertGreater(slow["dropped"], 0)
        times = [each["unix_us"] for each in slow["requests"]]
        self.assertEqual(times, sorted(times, reverse=True))

    def test_storage_that_hangs_holds_up_no_metrics(self):
        pool = self.lab.make_pool()
        storage = nodes.Storage(self.lab, pool, "mirror")
        controller = self.start(pool=storage.mount)
        path = controller.create_volume("one", MIB)
        storage.fault("all hang")
        self.lab.on_close(storage.fence)

        def ask(function, *arguments):
            def run():
                with contextlib.suppress(OSError):
                    function(*arguments)
            threading.Thread(target=run, daemon=True).start()
        for _ in range(4):
            ask(scrape.get, self.port, "/v1/volumes", 3)
        ask(write, path, 0, 4096)
        lab.wait_until(lambda: storage.met() > 0, what="an operation that hangs")
        seconds = []
        for _ in range(10):
            seconds.append(self.metrics(timeout=2).seconds)
            self.assertEqual(scrape.get(self.port, "/v1/status", timeout=2).status, 200)
            time.sleep(0.1)
        print(f"/metrics with hanging storage: at most {max(seconds) * 1e3:.1f} ms")
        self.assertLess(max(seconds), 0.5)


class Pair(SystemTest):
    def setUp(self):
        super().setUp()
        self.pair = pair.LocalPair(self.lab)
        self.ports = self.pair.listen_for_http()
        self.pair.start()
        self.owner, self.standby = self.pair.owner(), self.pair.standby()

    def metrics(self, controller):
        return Metrics(self.ports[controller.node])

    def get(self, controller, path, **options):
        return scrape.get(self.ports[controller.node], path, **options)

    def test_both_show_their_part(self):
        for name in ("src", "dst"):
            self.owner.create_volume(name, 4 * MIB)
        write(self.owner.path("src"), 0, 4 * MIB)
        clone = self.owner.start_clone("src", "dst", "--rate", "64K")
        for controller, role in ((self.owner, "owner"), (self.standby, "standby")):
            with self.subTest(role=role):
                metrics = self.metrics(controller)
                self.assertEqual(metrics("role", role=role), 1)
                self.assertEqual(sum(metrics.all("role")), 1)
                other = self.pair.other(controller.node)
                self.assertEqual(metrics("peer_reachable", peer=other), 1)
                self.assertLess(metrics("peer_heartbeat_age_seconds", peer=other), 2)
                self.assertLess(metrics("lease_age_seconds"), 3)
                self.assertEqual(metrics("epoch"), 1)
        lab.wait_until(lambda: self.metrics(self.standby).all("clone_info", clone=clone,
                                                              state="copying"), what="the clone")

    def test_standby_passes_questions_on(self):
        self.owner.create_volume("src", 4 * MIB)
        for path, command in (("/v1/volumes", ("volume", "list")), ("/v1/events", ("events",))):
            self.assertEqual(self.get(self.standby, path).json(), self.standby.json(*command))
        self.assertEqual(self.get(self.standby, "/v1/status").json()["role"], "standby")
        write(self.standby.path("src"), 0, 4096)
        lab.wait_until(lambda: self.metrics(self.standby).all("host_bytes_total", kind="write",
                                                              volume="src") == [4096],
                       what="the name of the volume at the standby")

    def test_standby_shows_its_own_slow_requests(self):
        self.owner.create_volume("src", 4 * MIB)
        fd = os.open(self.standby.path("src"), os.O_RDWR)
        self.addCleanup(os.close, fd)
        os.kill(self.owner.controller_pid(), signal.SIGSTOP)  # until its keeper ends it
        host = threading.Thread(target=os.pwrite, args=(fd, bytes(4096), 4096))
        host.start()
        slow = lab.wait_until(lambda: self.standby.json("trace", "slow")["requests"],
                              what="a slow request")
        self.assertTrue(slow[0]["under_way"])
        self.assertIn(slow[0]["doing"], ("peer", "owner"))
        host.join()
        self.assertEqual(self.standby.json("trace", "slow")["under_way"], 0)

    def forecast(self, controller, loss):
        """Proof and seconds, the same in the status and in the metrics."""
        each = next(each for each in controller.json("status")["takeover_forecast"]
                    if each["loss"] == loss)
        shown = self.metrics(controller)("takeover_forecast_seconds", loss=loss, proof=each["proof"])
        self.assertLess(abs(shown - each["wait_ms"] / 1e3), 1)
        return each["proof"], shown

    def measured(self, kill):
        """The longest write of a program of the standby, and by which proof it took over."""
        self.owner.create_volume("src", 4 * MIB)
        fd = os.open(self.standby.path("src"), os.O_RDWR)
        self.addCleanup(os.close, fd)
        os.pwrite(fd, bytes(4096), 0)
        longest, ends = 0, threading.Event()

        def host():
            nonlocal longest
            while not ends.is_set():
                begin = time.monotonic()
                os.pwrite(fd, bytes(4096), 0)
                longest = max(longest, time.monotonic() - begin)
        writer = threading.Thread(target=host)
        writer.start()
        kill()
        lab.wait_until(lambda: self.standby.try_status()["role"] == "owner", what="a takeover")
        ends.set()
        writer.join()
        return self.standby.try_status()["proof"], longest

    def test_forecast_of_a_lost_node_is_as_the_takeover_turns_out(self):
        self._check_forecast("node", self.owner.kill)

    def test_forecast_of_a_lost_process_is_as_the_takeover_turns_out(self):
        self._check_forecast("process", self.owner.kill_controller)

    def _check_forecast(self, loss, kill):
        at_owner = self.forecast(self.owner, loss)
        proof, seconds = self.forecast(self.standby, loss)
        self.assertEqual(at_owner[0], proof)
        self.assertLess(abs(at_owner[1] - seconds), 1)
        found, took = self.measured(kill)
        print(f"a lost {loss}: forecast {seconds:.2f} s ({proof}), measured {took:.2f} s ({found})")
        self.assertEqual(found, proof)
        self.assertLess(took, FORECAST_FACTOR * seconds + FORECAST_SLACK)
        self.assertGreater(FORECAST_FACTOR * took + FORECAST_SLACK, seconds)

    def test_takeover_is_seen(self):
        self.owner.create_volume("src", 4 * MIB)
        fd = os.open(self.standby.path("src"), os.O_RDWR)
        self.addCleanup(os.close, fd)
        os.pwrite(fd, bytes(4096), 0)
        self.owner.kill()
        begin = time.monotonic()
        os.pwrite(fd, bytes(4096), 0)
        stall = time.monotonic() - begin
        metrics = self.metrics(self.standby)
        self.assertEqual(metrics("role", role="owner"), 1)
        self.assertEqual(metrics("epoch"), 2)
        self.assertEqual(metrics("peer_reachable", peer=self.owner.node), 0)
        self.assertGreater(metrics("problems", kind="node"), 0)
        slow = self.standby.json("trace", "slow")["requests"][0]
        self.assertEqual((slow["kind"], slow["volume"]), ("write", "src"))
        self.assertGreater(slow["owner_us"] + slow["peer_us"], 0.9 * slow["total_us"])
        self.assertGreater(slow["owner_us"], 0.3 * slow["total_us"])
        shown = metrics("last_stall_seconds", cause="owner")
        print(f"stall of a takeover: {stall:.2f} s, shown: {shown:.2f} s")
        self.assertTrue(0.5 * stall < shown <= stall + 0.1, (stall, shown))

    def test_question_that_waits_for_an_owner_holds_up_no_stop(self):
        self.standby.stop()
        self.standby.options += ["--takeover", "manual"]
        self.standby.start()
        self.pair.wait_agreed()
        self.owner.kill()
        lab.wait_until(lambda: self.metrics(self.standby)("problems", kind="no-owner") == 1,
                       what="no owner")
        threading.Thread(target=self._ask_quietly, daemon=True).start()
        time.sleep(0.3)
        self.assertLess(self.metrics(self.standby).seconds, 1)
        begin = time.monotonic()
        self.standby.stop()
        seconds = time.monotonic() - begin
        print(f"a standby with a question that waits stops in {seconds:.1f} s")
        self.assertLess(seconds, 8)

    def _ask_quietly(self):
        with contextlib.suppress(OSError):
            self.get(self.standby, "/v1/events", timeout=20)


if __name__ == "__main__":
    lab.main()
