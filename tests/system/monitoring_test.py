#!/usr/bin/python3
"""What packaging/monitoring has for Prometheus and Grafana, held against a controller's metrics."""

import json
import os
import re
import subprocess

import lab
import pair
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
        self.assertIn("18 rules found", self.check("check", "rules", MONITORING / "baton-alerts.yml"))
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
