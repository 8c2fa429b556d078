"""Runs commands in a guest for tests/machines/guest.py: a line of JSON for each comes by a port of the
virtual machine, and a line with its outcome goes back. No network is needed for that. Commands run
beside each other."""

import json
import os
import subprocess
import threading
import time

PORT = "/dev/virtio-ports/agent"
ENVIRONMENT = {"LANG": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive",
               "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def outcome(request):
    try:
        done = subprocess.run(request["argv"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=request["timeout"], env=ENVIRONMENT, cwd="/",
                              check=False)
        return {"status": done.returncode, "out": done.stdout, "err": done.stderr}
    except subprocess.TimeoutExpired:
        return {"status": None, "out": "", "err": f"not done after {request['timeout']} s"}
    except OSError as error:
        return {"status": 127, "out": "", "err": str(error)}


def main():
    while not os.path.exists(PORT):
        time.sleep(0.1)
    port = open(PORT, "r+b", buffering=0)
    lock = threading.Lock()

    def say(message):
        line = json.dumps(message).encode() + b"\n"
        with lock:
            while line:
                line = line[port.write(line):]

    def serve(request):
        say({"id": request["id"], **outcome(request)})

    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        say({"boot": file.read().strip()})
    rest = b""
    while True:
        part = port.read(65536)
        if not part:  # nobody is at the other end
            time.sleep(0.1)
            continue
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            threading.Thread(target=serve, args=(json.loads(line),), daemon=True).start()


main()
