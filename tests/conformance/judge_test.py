"""What the harness must see: that it fails what it should. It runs no node."""
import socket
import types
import unittest

import run
from nodes import DEADLINE_S, Counter

ALL_OK = [f"ok {name}" for name in run.CASES]


def counted(connections=1, up=1000, down=1000):
    """A world after a program, as far as it is judged."""
    return types.SimpleNamespace(counted=types.SimpleNamespace(connections=connections),
                                 measured=types.SimpleNamespace(bytes={"up": up, "down": down}))


class Lines(unittest.TestCase):
    def test_all_passed(self):
        self.assertEqual(run.faults_of_lines(ALL_OK, 0), [])

    def test_a_case_failed(self):
        lines = [line.replace("ok drain", "FAILED drain ada is lost") for line in ALL_OK]
        self.assertIn("FAILED drain ada is lost", run.faults_of_lines(lines, 1))

    def test_a_case_failed_and_the_status_hides_it(self):
        lines = [line.replace("ok drain", "FAILED drain ada is lost") for line in ALL_OK]
        self.assertTrue(any("ended with 0" in fault for fault in run.faults_of_lines(lines, 0)))

    def test_a_case_is_missing_twice_or_unknown(self):
        for lines in (ALL_OK[1:], ALL_OK + ALL_OK[:1], ALL_OK + ["ok uptime"]):
            self.assertEqual(len([fault for fault in run.faults_of_lines(lines, 0) if fault.startswith("case ")]), 1)

    def test_the_program_died(self):
        self.assertEqual(len(run.faults_of_lines(ALL_OK, -9)), 1)


class Counters(unittest.TestCase):
    def test_one_connection_and_compressed(self):
        self.assertEqual(run.faults_of_counters(counted()), [])

    def test_connections(self):
        for connections in (0, 2):
            self.assertEqual(len(run.faults_of_counters(counted(connections=connections))), 1)

    def test_not_compressed(self):
        self.assertEqual(len(run.faults_of_counters(counted(up=5000 * 17))), 1)
        self.assertEqual(len(run.faults_of_counters(counted(down=5000 * 17))), 1)

    def test_nothing_came(self):
        self.assertEqual(len(run.faults_of_counters(counted(up=0, down=0))), 2)

    def test_counter(self):
        """It counts what passes, both ways, and that a side has ended passes too."""
        with socket.create_server(("127.0.0.1", 0)) as node:
            node.settimeout(DEADLINE_S)
            counter = Counter("127.0.0.1:%d" % node.getsockname()[1])
            for _ in range(2):
                host, port = counter.address.split(":")
                with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as client:
                    accepted, _ = node.accept()
                    with accepted:
                        accepted.settimeout(DEADLINE_S)
                        client.sendall(b"hello")
                        client.shutdown(socket.SHUT_WR)
                        self.assertEqual(accepted.makefile("rb").read(), b"hello")
                        accepted.sendall(b"good-bye")
                    self.assertEqual(client.makefile("rb").read(), b"good-bye")
            counter.close()
            self.assertEqual((counter.connections, counter.bytes), (2, {"up": 10, "down": 16}))


if __name__ == "__main__":
    unittest.main()
