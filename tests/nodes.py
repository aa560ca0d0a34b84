"""A cluster of Ray on this machine, each of whose nodes can be lost.

Ray's threads and sockets stay out of the tests' own process: the cluster lives in another one, in
which this file is the program, and answers to what is written to its standard input.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

MEMORY = 80 * 2**20  # bytes of each node's store, the least that Ray takes
SOON = {
    "health_check_initial_delay_ms": 1_000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 10_000,
    "health_check_failure_threshold": 5,
}
"""When a node counts as lost: soon where nobody listens any more, late where it is only slow."""


class Nodes:
    """Three nodes of one processor each; the first one is never lost."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
        )
        self.address: str = self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=100)
        self._process.stdout.close()

    def lose(self) -> int:
        """End the last node with all that runs on it, at once; return the id of its process."""
        return int(self._ask("lose"))

    def add(self) -> None:
        """Let another node join."""
        self._ask("add")

    def _ask(self, what: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def _serve() -> None:
    from ray.cluster_utils import Cluster

    def say(what: object) -> None:
        os.write(answers, json.dumps(what).encode() + b"\n")

    answers = os.dup(1)
    os.dup2(2, 1)  # Ray prints there
    # Each node has an address of its own, as if it were another machine; none leads outside.
    cluster = Cluster()
    addresses = (f"127.0.0.{i}" for i in range(2, 200))
    usual: dict[str, Any] = {
        "num_cpus": 1,
        "object_store_memory": MEMORY,
        "include_dashboard": False,
    }
    cluster.add_node(node_ip_address=next(addresses), _system_config=SOON, **usual)
    nodes = [cluster.add_node(node_ip_address=next(addresses), **usual) for _ in range(2)]
    say(cluster.address)
    for line in sys.stdin:
        if line.strip() == "add":
            nodes.append(cluster.add_node(node_ip_address=next(addresses), **usual))
            say(None)
            continue
        node = nodes.pop()
        (raylet,) = node.all_processes["raylet"]
        raylet.process.kill()
        cluster.remove_node(node, allow_graceful=False)
        say(raylet.process.pid)
    cluster.shutdown()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    sys.path[:] = [name for name in sys.path if Path(name).resolve() != Path(__file__).parent]
    _serve()
