"""How the dashboard holds under several visitors: `python -m benchmarks.visitors [--seconds 60] [--visitors 5]`.

Voila serves the pages as `make run` does, and visitors open page 04, each with a kernel of its own, and turn its knob:
to any place, then, once the exact point has come, half a second to a second and a half of looking, and on. First one
alone, then all at once. They speak the page's own protocol without drawing it, as a visitor's browser runs elsewhere.
Printed are the median and the 95th percentile from a turn to the prepared path's point and to the exact one with its
sound, and the memory of all kernels.

`ratio=` is the median to the exact point of all at once over that of one alone.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import random
import re
import subprocess
import time
import uuid

import numpy as np
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

from latentfx_nb.serving import server
from latentfx_nb.serving.kernels import kernels_of

PAGE = "04_knob_paths"
PROTOCOL = "v1.kernel.websocket.jupyter.org"  # what browsers speak
LONGEST_S = 600
LOOK_S = 0.5, 1.5


class Visitor:
    """One open page: its kernel's socket and the models of its knob, its figure and its player."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._session = uuid.uuid4().hex
        self._inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.prepared_s: list[float] = []
        self.exact_s: list[float] = []

    async def open(self, address: str) -> Visitor:
        """Load the page, as a browser does, and ask its kernel for the widgets that it made."""
        request = HTTPRequest(f"{address}/voila/render/{PAGE}.ipynb", request_timeout=LONGEST_S)
        body = (await AsyncHTTPClient().fetch(request)).body.decode()
        self.kernel = re.search(r'"kernelId": "([-0-9a-f]+)"', body)[1]
        url = f"{address.replace('http', 'ws', 1)}/api/kernels/{self.kernel}/channels?session_id={self._session}"
        request = HTTPRequest(url, headers={"Origin": address})
        self._socket = await websocket_connect(
            request, subprotocols=[PROTOCOL], max_message_size=2**28, on_message_callback=self._inbox.put_nowait
        )
        await self._wait_for_answer()
        control = uuid.uuid4().hex
        opening = {"comm_id": control, "target_name": "jupyter.widget.control", "data": {}}
        await self._send("comm_open", opening, {"version": "1.0.0"})
        await self._send("comm_msg", {"comm_id": control, "data": {"method": "request_states"}})
        answer = await self._heard(lambda one: one["content"].get("data", {}).get("method") == "update_states")
        models = answer["content"]["data"]["states"]
        [self._knob] = (name for name, model in models.items() if "knob" in model["state"])
        self._ends = [models[self._knob]["state"][end] for end in ("low", "high")]
        self._players = {name for name, model in models.items() if "listening" in model["state"]}
        self._figures = {name for name, model in models.items() if "_py2js_restyle" in model["state"]}
        return self

    async def _wait_for_answer(self) -> None:
        """Ask until the kernel answers: what is sent before its channels are open is lost."""
        answer = asyncio.ensure_future(self._heard(lambda one: one["header"]["msg_type"] == "kernel_info_reply"))
        while not answer.done():
            await self._send("kernel_info_request", {})
            await asyncio.wait([answer], timeout=1)
        await answer

    async def turn(self) -> None:
        """Turn the knob, and wait until its exact point and sound are there."""
        while not self._inbox.empty():
            self._inbox.get_nowait()  # the last turn's news
        low, high = self._ends
        value = low * (high / low) ** self._random.uniform(0, 1)
        start = time.perf_counter()
        await self._send("comm_msg", {"comm_id": self._knob, "data": {
            "method": "update", "state": {"value": value}, "buffer_paths": []}})  # fmt: skip
        await self._heard(lambda one: _of(one, self._players) and "title" in one["content"]["data"].get("state", {}))
        await self._heard(lambda one: _of(one, self._figures))  # the prepared point follows the sound
        self.prepared_s.append(time.perf_counter() - start)
        await self._heard(lambda one: _of(one, self._figures))
        self.exact_s.append(time.perf_counter() - start)

    async def stay(self, seconds: float) -> Visitor:
        """Turn the knob and look, for as long as that."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            await self.turn()
            await asyncio.sleep(self._random.uniform(*LOOK_S))
        self._socket.close()
        return self

    async def _send(self, kind: str, content: dict, metadata: dict | None = None) -> None:
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": kind,
            "session": self._session,
            "username": "",
            "version": "5.3",
            "date": datetime.datetime.now(datetime.UTC).isoformat(),
        }
        message = {"header": header, "parent_header": {}, "metadata": metadata or {}, "content": content}
        packed = serialize_msg_to_ws_v1(message, "shell", lambda part: json.dumps(part).encode())
        await self._socket.write_message(packed, binary=True)

    async def _heard(self, wanted) -> dict:
        """Return the next message that is wanted; what a page would show as an error ends the benchmark."""
        while True:
            raw = await asyncio.wait_for(self._inbox.get(), LONGEST_S)
            if raw is None:
                raise SystemExit("a kernel closed its connection")
            header, _, _, content, *_ = deserialize_msg_from_ws_v1(raw)[1]
            message = {"header": json.loads(header), "content": json.loads(content)}
            said = content.decode()
            if message["header"]["msg_type"] == "error" or "That did not work" in said:
                raise SystemExit(f"a visitor was shown an error: {said[:500]}")
            if wanted(message):
                return message


def _of(message: dict, models: set[str]) -> bool:
    return message["header"]["msg_type"] == "comm_msg" and message["content"]["comm_id"] in models


async def visit(address: str, visitors: int, seconds: float) -> list[Visitor]:
    """Return visitors who have all been there together."""
    there = await asyncio.gather(*(Visitor(seed).open(address) for seed in range(visitors)))
    return await asyncio.gather(*(one.stay(seconds) for one in there))


def kernel_bytes(process: subprocess.Popen) -> list[int]:
    """Return the memory of each kernel of a server; what several share, such as libraries, is divided among them."""
    held = [one.memory_full_info() for one in kernels_of(process.pid)]
    return [getattr(one, "pss", one.uss) for one in held]


def main() -> None:
    """Print one visitor's figures, then those of all at once, then the ratio."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--visitors", type=int, default=5)
    chosen = options.parse_args()
    medians = {}
    for visitors in (1, chosen.visitors):
        with server.running(port=server.free_port()) as (address, process):
            there = asyncio.run(visit(address, visitors, chosen.seconds))
            weights = kernel_bytes(process)
        prepared, exact = (
            np.concatenate(column) for column in ([one.prepared_s for one in there], [one.exact_s for one in there])
        )
        medians[visitors] = np.median(exact)
        print(
            f"{visitors} at once, {len(exact)} turns: prepared point {1e3 * np.median(prepared):.0f} ms "
            f"(95 %: {1e3 * np.quantile(prepared, 0.95):.0f}), exact point and sound {1e3 * np.median(exact):.0f} ms "
            f"(95 %: {1e3 * np.quantile(exact, 0.95):.0f}); {len(weights)} kernels hold {sum(weights) / 1e9:.2f} GB"
        )
    print(f"ratio={medians[chosen.visitors] / medians[1]:.2f}")


if __name__ == "__main__":
    main()
