"""Stands for the machines' power switches, on the network of the storage: `off NODE` takes the power,
`monitor NODE` asks whether that could be done. A line with `ok` is the answer, or with what is wrong.

   power_switch.py TESTS ADDRESS PORT NODE=MONITOR...
"""

import contextlib
import os
import select
import socket
import socketserver
import sys

sys.path.insert(0, sys.argv.pop(1))
import guest  # noqa: E402

address, port, *nodes = sys.argv[1:]
monitors = dict(node.split("=") for node in nodes)


def process_of(path):
    """The QEMU at the other end, or None where there is none."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError:
            return None
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return os.pidfd_open(int.from_bytes(credentials[:4], sys.byteorder))


def answer(action, node):
    if node not in monitors:
        return f"there is no {node}"
    if action == "monitor":
        return "ok"
    if action != "off":
        return f"what is {action}"
    process = process_of(monitors[node])
    if process is None:
        return "ok"
    with contextlib.suppress(OSError, ValueError):  # it may end before it has answered
        guest.Monitor(monitors[node]).tell("quit")
    ended = select.select([process], [], [], 10)[0]
    os.close(process)
    return "ok" if ended else f"{node} does not end"


class Switch(socketserver.StreamRequestHandler):
    def handle(self):
        words = self.rfile.readline().decode(errors="replace").split()
        said = answer(*words) if len(words) == 2 else "ACTION NODE"
        self.wfile.write(f"{said}\n".encode())


socketserver.ThreadingTCPServer.allow_reuse_address = True
with socketserver.ThreadingTCPServer((address, int(port)), Switch) as server:
    print("ready", flush=True)
    server.serve_forever()
