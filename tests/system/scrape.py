"""What the tests ask by HTTP, and what Prometheus reads in the answer."""

import json
import re
import time
import urllib.error
import urllib.request

_SERIES = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Answer:
    def __init__(self, status, headers, body, seconds):
        self.status, self.headers, self.body, self.seconds = status, headers, body, seconds

    def json(self):
        return json.loads(self.body)


def get(port, path, timeout=10, host="127.0.0.1", method="GET", **headers):
    """Whatever the status is. OSError: nobody answers."""
    request = urllib.request.Request(f"http://{host}:{port}{path}", method=method,
                                     headers={"Host": f"{host}:{port}", **headers})
    begin = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            body = answer.read().decode()
            return Answer(answer.status, answer.headers, body, time.monotonic() - begin)
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read().decode(), time.monotonic() - begin)


class Metrics:
    """One answer of /metrics."""

    def __init__(self, port, timeout=10):
        answer = get(port, "/metrics", timeout)
        assert answer.status == 200, answer.body
        self.text, self.seconds = answer.body, answer.seconds
        self.series = []
        for line in answer.body.splitlines():
            found = _SERIES.match(line)
            if found:
                self.series.append((found[1], dict(_LABEL.findall(found[2] or "")), float(found[3])))

    def names(self):
        """Of all families, also of those without a series."""
        return set(re.findall(r"^# TYPE (\w+) ", self.text, re.M))

    def all(self, name, **labels):
        """The values of the series that have these labels and maybe others."""
        return [value for family, has, value in self.series
                if family == "baton_" + name and labels.items() <= has.items()]

    def __call__(self, name, **labels):
        """The value of the one series with these labels."""
        found = self.all(name, **labels)
        assert len(found) == 1, f"{name} {labels}: {found}\n{self.text}"
        return found[0]
