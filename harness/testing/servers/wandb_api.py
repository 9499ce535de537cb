"""A small server with the part of W&B's GraphQL that the public API needs to read runs, their history and their artifacts.

Runs and histories are sent in pages. The server can answer the first requests of an operation with 429, as W&B does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROJECT = {"__typename": "Project", "id": "p", "internalId": "1", "name": "proj", "entity": {"__typename": "Entity", "name": "ent"}}
VIEWER = {
    "id": "u",
    "username": "u",
    "entity": "ent",
    "teams": {"edges": []},
    "flags": "{}",
    "admin": False,
    "email": "u@example.org",
}


@dataclass(frozen=True)
class HostedRun:
    """A run on the server. `files` are the files of its artifact of records; without files it has no artifact."""

    id: str
    group: str
    config: Mapping[str, object]
    history: Sequence[Mapping[str, Any]] = ()
    state: str = "finished"
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass
class WandbDouble:
    """The contents of the server, and in `asked` the names of the requested operations, in order.

    `refuse` maps an operation to the number of its requests that are answered with 429 first.
    """

    runs: Sequence[HostedRun]
    refuse: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def count(self, operation: str) -> int:
        """Return how often an operation was requested."""
        return Counter(self.asked)[operation]

    def answer(self, operation: str, variables: Mapping[str, Any]) -> dict[str, object]:
        """Return the `data` of a GraphQL answer."""
        name = variables.get("name") or variables.get("run") or variables.get("runName")
        run = next((run for run in self.runs if run.id == name), None)
        match operation:
            case "Viewer" | "GetDefaultEntity":
                return {"viewer": VIEWER}
            case "ServerFeaturesQuery":
                return {"serverInfo": {"features": []}}
            case "Runs":
                return {"project": self._page(variables) if variables["project"] == "proj" else None}
            case "FetchArtifactManifest":
                return {"artifact": {"currentManifest": {"file": {"directUrl": f"{self.url}/manifests/{variables['id']}"}}}}
            case "GetArtifactMembershipFileUrls":
                return self._file_urls(str(variables["collection"]).removeprefix("cell-"))
        assert run is not None, operation
        last = len(run.history) - 1
        match operation:
            case "RunHistoryKeys":
                return _run(historyKeys={"lastStep": last, "keys": {}})
            case "RunParquetHistory":
                return _run(parquetHistory={"parquetUrls": [], "liveData": [{"_step": step} for step in range(last + 1)]})
            case "HistoryPage":
                low, high = variables["minStep"], min(variables["maxStep"], variables["minStep"] + variables["pageSize"])
                return _run(history=[json.dumps(row) for row in run.history if low <= row["_step"] < high])
            case "RunOutputArtifacts":
                edges = [{"node": _artifact(run)}] if run.files else []
                page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
                return _run(artifacts={"totalCount": len(edges), "pageInfo": page, "edges": edges})
        raise AssertionError(f"the double does not know the operation {operation}")

    def _page(self, variables: Mapping[str, Any]) -> dict[str, object]:
        group = json.loads(variables["filters"])["group"]
        found = [run for run in self.runs if run.group == group]
        start = int(variables["cursor"] or 0)
        shown = found[start : start + variables["perPage"]]
        end = start + len(shown)
        edges = [{"node": _node(run), "cursor": str(start + place)} for place, run in enumerate(shown, start=1)]
        info = {"endCursor": str(end), "hasNextPage": end < len(found)}
        return {"internalId": "1", "runCount": len(found), "readOnly": False, "runs": {"edges": edges, "pageInfo": info}}

    def _file_urls(self, run_id: str) -> dict[str, object]:
        run = next(run for run in self.runs if run.id == run_id)
        edges = [
            {"node": {"__typename": "File", "name": name, "directUrl": f"{self.url}/files/{_md5_hex(d)}"}}
            for name, d in run.files.items()
        ]
        page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
        membership = {"files": {"pageInfo": page, "edges": edges}}
        return {"project": {"artifactCollection": {"__typename": "ArtifactSequence", "artifactMembership": membership}}}

    def file(self, path: str) -> bytes | None:
        """Return the contents of a path: the manifest of an artifact, or one of its files by its MD5. None for any other path."""
        for run in self.runs:
            if path == f"/manifests/{_artifact_id(run)}":
                contents = {
                    n: {"digest": _md5(d), "size": len(d), "birthArtifactID": _artifact_id(run)} for n, d in run.files.items()
                }
                policy = {"storagePolicy": "wandb-storage-policy-v1", "storagePolicyConfig": {"storageLayout": "V2"}}
                return json.dumps({"version": 1, **policy, "contents": contents}).encode()
            for data in run.files.values():
                if _md5_hex(data) in path:
                    return data
        return None


def _run(**fields: object) -> dict[str, object]:
    return {"project": {"run": fields}}


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _md5_hex(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _artifact_id(run: HostedRun) -> str:
    return base64.b64encode(f"Artifact:{run.id}".encode()).decode().rstrip("=")


def _artifact(run: HostedRun) -> dict[str, object]:
    sequence = {"__typename": "ArtifactSequence", "name": f"cell-{run.id}", "project": PROJECT}
    return {
        "__typename": "Artifact",
        "id": _artifact_id(run),
        "artifactSequence": sequence,
        "versionIndex": 0,
        "artifactType": {"name": "records"},
        "description": None,
        "metadata": "{}",
        "ttlDurationSeconds": -1,
        "ttlIsInherited": True,
        "tags": [],
        "historyStep": None,
        "state": "COMMITTED",
        "size": sum(map(len, run.files.values())),
        "digest": hashlib.md5(run.id.encode(), usedforsecurity=False).hexdigest(),
        "commitHash": "c",
        "fileCount": len(run.files),
        "createdAt": "2026-01-01T00:00:00Z",
        "updatedAt": None,
        "aliases": [],
    }


def _node(run: HostedRun) -> dict[str, object]:
    return {
        "projectId": "1",
        "id": run.id,
        "tags": [],
        "name": run.id,
        "displayName": run.id,
        "sweepName": None,
        "state": run.state,
        "config": json.dumps({key: {"value": value} for key, value in run.config.items()}),
        "group": run.group,
        "jobType": "cell",
        "commit": None,
        "readOnly": False,
        "createdAt": "2026-01-01T00:00:00",
        "heartbeatAt": "2026-01-01T00:00:00",
        "description": "",
        "notes": "",
        "systemMetrics": "{}",
        "summaryMetrics": json.dumps({"_step": len(run.history) - 1}),
        "historyLineCount": len(run.history),
        "user": {"name": "u", "username": "u"},
        "historyKeys": {"lastStep": len(run.history) - 1, "keys": {}},
    }


def _operation(body: Mapping[str, Any]) -> str:
    named = body.get("operationName")
    if named:
        return str(named)
    query = str(body.get("query", ""))
    return query.partition("query ")[2].split("(")[0].split("{")[0].strip()


@contextmanager
def serving(double: WandbDouble) -> Iterator[WandbDouble]:
    """Serve the double on a free local port during the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Without these two, every answer waits 40 ms until the client has acknowledged its header.
        wbufsize = -1
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if "graphql" not in self.path:
                return self._send(200, b"{}")
            body = json.loads(raw)
            operation = _operation(body)
            double.asked.append(operation)
            if double.refuse.get(operation, 0) > 0:
                double.refuse[operation] -= 1
                return self._send(429, b'{"errors": [{"message": "rate limit exceeded"}]}', {"Retry-After": "1"})
            return self._send(200, json.dumps({"data": double.answer(operation, body.get("variables") or {})}).encode())

        def do_GET(self) -> None:
            data = double.file(self.path.partition("?")[0])
            self._send(404 if data is None else 200, data or b"")

        def _send(self, status: int, data: bytes, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
