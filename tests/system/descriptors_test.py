#!/usr/bin/python3
"""As many volumes as are documented, whatever limit on open files batond is started with; where it
may not raise that, the last descriptors are for what keeps the pool going."""

import lab
from lab import SystemTest

# No right to go beyond the limit that it was given.
UNPRIVILEGED = ("setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource")


class Descriptors(SystemTest):
    def test_a_small_limit_is_raised(self):
        controller = self.lab.make_controller()
        controller.start(wrapper=("prlimit", "--nofile=100:"))
        for number in range(70):
            controller.create_volume(f"v{number}", "1M")
        pid = controller.kill_controller()
        status = controller.wait_restarted(pid)
        self.assertTrue(status["healthy"], status)
        self.assertEqual(len(controller.json("volume", "list")["volumes"]), 70)

    def test_volumes_leave_a_reserve(self):
        controller = self.lab.make_controller()
        controller.start(wrapper=("prlimit", "--nofile=160:160", *UNPRIVILEGED))
        self.assertIn("160 files can be open", controller.log_text())
        made = 0
        while controller.run("volume", "create", f"v{made}", "--size", "1M",
                             check=False).returncode == 0:
            made += 1
            self.assertLess(made, 80)
        line = controller.refused("volume", "create", f"v{made}", "--size", "1M")
        self.assertIn("LimitNOFILE", line)
        self.assertFalse((controller.pool / "volumes" / f"v{made}").exists())
        self.assertGreater(made, 20)
        # Nothing else has suffered, nor does the next controller.
        for _ in range(2):
            pid = controller.kill_controller()
            status = controller.wait_restarted(pid)
            self.assertTrue(status["healthy"], status)
        self.assertEqual(len(controller.json("volume", "list")["volumes"]), made)


if __name__ == "__main__":
    lab.main()
