#!/usr/bin/python3
"""What packaging/monitoring has for Prometheus and Grafana, held against a controller's metrics."""

import contextlib
import json
import os
import re
import subprocess
import urllib.parse

import lab
import pair
import scrape
from lab import MIB, SystemTest
from scrape import Metrics

MONITORING = lab.SOURCE / "packaging/monitoring"
# What a histogram has besides its name.
PARTS = ("_bucket", "_sum", "_count")


def promtool(*arguments, stdin=None):
    return subprocess.run(["promtool", *map(str, arguments)], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, timeout=60)


class Files(SystemTest):
    def check(self, *arguments):
        result = promtool(*arguments)
        self.assertEqual(result.returncode, 0, result.stdout)
        return result.stdout

    def test_rules_and_configuration_are_valid(self):
        self.assertIn("19 rules found", self.check("check", "rules", MONITORING / "baton-alerts.yml"))
        self.check("check", "config", MONITORING / "prometheus.yml")

    def test_rules_fire_when_they_should(self):
        self.check("test", "rules", MONITORING / "baton-alerts-test.yml")

    def test_each_alert_has_a_test_and_says_what_to_do(self):
        rules = (MONITORING / "baton-alerts.yml").read_text()
        tests = (MONITORING / "baton-alerts-test.yml").read_text()
        alerts = re.findall(r"- alert: (\w+)", rules)
        self.assertEqual(len(alerts), len(set(alerts)))
        for alert in alerts:
            self.assertIn(f'alertname="{alert}",alertstate="firing"', tests)
        self.assertEqual(len(re.findall(r"^ +action: ", rules, re.M)), len(alerts))
        self.assertEqual(len(re.findall(r"^ +summary: ", rules, re.M)), len(alerts))

    def test_alerts_are_documented(self):
        text = (lab.SOURCE / "docs/observation.md").read_text()
        alerts = re.findall(r"- alert: (\w+)", (MONITORING / "baton-alerts.yml").read_text())
        self.assertEqual(re.findall(r"^\| `(Baton\w+)`", text, re.M), alerts)

    def test_dashboard_is_whole(self):
        dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        taken = set()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells
            for target in panel["targets"]:
                # A query that Prometheus does not read is an error of the rules, too.
                query = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
                rule = f"groups: [{{name: g, rules: [{{record: r, expr: {json.dumps(query)}}}]}}]"
                file = self.lab.directory / "rule.yml"
                file.write_text(rule)
                self.check("check", "rules", file)


class Scraped(SystemTest):
    """A Prometheus with the rules, and a pair."""

    def ask(self, query):
        answer = scrape.get(self.port, f"/api/v1/query?query={urllib.parse.quote(query)}").json()
        return {sample["metric"].get("instance", ""): float(sample["value"][1])
                for sample in answer["data"]["result"]}

    def start_prometheus(self, targets):
        self.port = pair.free_port()
        file = self.lab.directory / "prometheus.yml"
        file.write_text(f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{MONITORING}/baton-alerts.yml"]
scrape_configs: [{{job_name: baton, static_configs: [{{targets: {json.dumps(targets)}}}]}}]
""")
        with open(self.lab.directory / "prometheus.log", "wb") as log:
            self.lab.start("prometheus", f"--config.file={file}",
                           f"--storage.tsdb.path={self.lab.directory}/data",
                           f"--web.listen-address=127.0.0.1:{self.port}", stdout=log, stderr=log)

        def is_ready():
            with contextlib.suppress(OSError):
                return scrape.get(self.port, "/-/ready").status == 200
            return False
        lab.wait_until(is_ready, what="Prometheus")

    def test_prometheus_sees_the_pair_and_a_takeover(self):
        both = pair.LocalPair(self.lab)
        targets = {name: f"127.0.0.1:{port}" for name, port in both.listen_for_http().items()}
        both.start()
        owner, standby = both.owner().node, both.standby().node
        self.start_prometheus(list(targets.values()))
        everybody = {target: 1 for target in targets.values()}
        lab.wait_until(lambda: self.ask("up") == everybody, what="up")
        lab.wait_until(lambda: self.ask('baton_role{role="owner"} == 1') == {targets[owner]: 1},
                       what="the owner")
        both[owner].kill()
        lab.wait_until(lambda: self.ask('baton_role{role="owner"} == 1') == {targets[standby]: 1},
                       what="the new owner")
        self.assertEqual(self.ask("max by (instance) (baton_epoch)"), {targets[standby]: 2})
        lab.wait_until(lambda: self.ask('ALERTS{alertname="BatonNoStandby"}') == {targets[standby]: 1},
                       what="the alert")


class Names(SystemTest):
    def test_every_name_that_is_used_is_a_metric(self):
        port = pair.free_port()
        controller = self.lab.make_controller(options=["--http-listen", str(port)])
        controller.start()
        names = Metrics(port).names()
        for file in MONITORING.iterdir():
            for name in re.findall(r"\bbaton_\w+", file.read_text()):
                for part in PARTS:
                    name = name.removesuffix(part) if name.removesuffix(part) in names else name
                self.assertIn(name, names, file.name)

    def test_metrics_keep_the_conventions(self):
        port = pair.free_port()
        controller = self.lab.make_controller(options=["--http-listen", str(port)])
        controller.start()
        for name in ("src", "dst"):
            controller.create_volume(name, 4 * MIB)
        fd = os.open(controller.path("src"), os.O_RDWR)
        os.pwrite(fd, bytes(4096), 0)
        os.close(fd)
        controller.start_clone("src", "dst", "--rate", "64K")
        for text in (Metrics(port).text, Metrics(port).text):
            result = promtool("check", "metrics", stdin=text)
            self.assertEqual((result.returncode, result.stdout), (0, ""))


if __name__ == "__main__":
    lab.main()
