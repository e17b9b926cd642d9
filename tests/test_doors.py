"""A stranger at the dashboard: nothing is read, run, started or ended that the pages do not offer."""

from __future__ import annotations

import http.client
import re
import uuid
from urllib.parse import urlsplit

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from benchmarks.visitors import PROTOCOL, Visitor
from latentfx_nb.serving import server
from tests.speed import PATIENCE_S

pytestmark = pytest.mark.soak

SECTION = "Shared server"
PAGE = "00_start_here"

# What no visitor may have: sources, folders, files of the machine, lists of what runs, ways to start things.
CLOSED = (
    *(("GET", f"/voila/files/{name}") for name in (f"{PAGE}.py", f"{PAGE}.ipynb", "../README.md", "../voila.json")),
    *(("GET", f"/voila/files/{up}/etc/passwd") for up in ("..", "%2e%2e", "..%2f..", "../../../..", "/", "%00")),
    *(("GET", f"/voila/static/{up}/README.md") for up in ("..", "%2e%2e", "..%2f..", "../../../../..")),
    *(("GET", f"/voila/templates/lab/static/{up}/README.md") for up in ("..", "%2e%2e/%2e%2e", "..%2f..")),
    *(("GET", f"/voila/labextensions/{up}/etc/passwd") for up in ("..", "%2e%2e/%2e%2e", "..%2f..")),
    *(("GET", f"/voila/tree/{up}") for up in ("..", "%2e%2e", "..%2f..")),
    *(("GET", f"/voila/render/{up}/README.md") for up in ("..", "%2e%2e", "..%2f..")),
    *(("GET", path) for path in ("/api/contents", "/api/contents/00_start_here.py", "/api/kernels", "/api/sessions")),
    *(("GET", path) for path in ("/api/terminals", "/api/config", "/tree", "/lab", "/files/README.md", "/metrics")),
    *(("POST", path) for path in ("/api/kernels", "/api/sessions", "/api/terminals", "/api/shutdown")),
    *((method, f"/voila/files/{PAGE}.ipynb") for method in ("PUT", "DELETE", "POST", "PATCH")),
    *((method, f"/api/kernels/{uuid.uuid4()}") for method in ("GET", "DELETE")),
    *(("POST", f"/api/kernels/{uuid.uuid4()}/{what}") for what in ("restart", "interrupt")),
    ("POST", f"/voila/api/shutdown/{uuid.uuid4()}"),
)


@pytest.fixture(scope="module")
def address():
    with server.running() as (address, _):
        yield address


def ask(address: str, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE_S)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode(errors="replace")
    finally:
        connection.close()


def test_no_path_leads_past_the_pages(address, soak):
    for method, path in CLOSED:
        status, headers, text = ask(address, path, method)
        if status in (301, 302):  # to the files, which are refused in their turn
            status, _, text = ask(address, headers["Location"], method)
        assert status >= 400, f"{method} {path} gave {status}: {text[:200]}"
        assert "root:" not in text and "LatentFX notebooks" not in text and "Traceback" not in text, path
        assert str(server.notebooks_folder().parent) not in text, f"{path} tells where the server's files lie"
        soak.count(SECTION, "doors tried")


def test_a_page_shows_neither_sources_nor_places(address):
    for name in (PAGE, "04_knob_paths"):
        status, _, text = ask(address, f"/voila/render/{name}.ipynb")
        assert status == 200 and "kernelId" in text
        assert "import latentfx_nb" not in text and "lfx.pages" not in text
        assert str(server.notebooks_folder().parent) not in text


def test_a_visitor_cannot_choose_another_template(address):
    plain = ask(address, f"/voila/render/{PAGE}.ipynb")[2]
    other = ask(address, f"/voila/render/{PAGE}.ipynb?template=reveal&voila-template=reveal")[2]
    shape = [re.sub(r"[-0-9a-f]{36}", "", text) for text in (plain, other)]
    assert abs(len(shape[0]) - len(shape[1])) < 200 and "reveal" not in other


def test_headers_keep_other_sites_out(address):
    _, headers, _ = ask(address, f"/voila/render/{PAGE}.ipynb")
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["frame-ancestors"] == "'self'" and policy["object-src"] == "'none'"
    assert policy["default-src"] == "'self' data: blob:" and "http" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_another_sites_page_cannot_talk_to_a_kernel(address, soak, run_async):
    async def scenario():
        visitor = await Visitor(0).open(address)
        url = f"{address.replace('http', 'ws', 1)}/api/kernels/{visitor.kernel}/channels"
        for origin in ("https://elsewhere.example", "http://localhost.elsewhere.example", "null"):
            with pytest.raises(HTTPClientError, match="403"):
                await websocket_connect(HTTPRequest(url, headers={"Origin": origin}), subprotocols=[PROTOCOL])
            soak.count(SECTION, "doors tried")
        visitor._socket.close()

    run_async(scenario())


def test_a_visitors_page_can_turn_knobs_but_not_run_code(address, tmp_path, soak, run_async):
    written = tmp_path / "written"

    async def scenario():
        visitor = await Visitor(0).open(address)
        for kind, content in (
            ("execute_request", {"code": f"open({str(written)!r}, 'w').close()", "silent": False}),
            ("complete_request", {"code": "import o", "cursor_pos": 8}),
            ("inspect_request", {"code": "open", "cursor_pos": 4, "detail_level": 1}),
            ("history_request", {"hist_access_type": "tail", "n": 5, "output": True, "raw": True}),
            ("is_complete_request", {"code": "1"}),
            ("debug_request", {"type": "request", "command": "initialize", "seq": 1, "arguments": {}}),
        ):
            await visitor._send(kind, content)
            soak.count(SECTION, "doors tried")
        answered = set()
        while "kernel_info_reply" not in answered:  # of the last of them: all before it would have been answered by now
            await visitor._send("kernel_info_request", {})
            message = await visitor._heard(lambda one: one["header"]["msg_type"].endswith("_reply"))
            answered.add(message["header"]["msg_type"])
        visitor._socket.close()
        return answered

    assert run_async(scenario()) == {"kernel_info_reply"}
    assert not written.exists()
