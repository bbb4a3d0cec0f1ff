"""As much of W&B's server as the real client needs to write runs and to read them back.

It proves that the client sends and finds what we mean, not how the real server filters, samples or
orders. One thread a request; state in plain dictionaries that tests may look at and damage.
"""

import base64
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

KEY = "k" * 40


@dataclass
class StoredRun:
    """A run as the server has it; ``config`` holds ``{"value": ...}`` for each key."""

    id: str
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    state: str = "running"
    name: str = ""
    group: str | None = None
    tags: list[str] = field(default_factory=list)
    commit: str | None = None
    starts: int = 0

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.history]


class WandbServer:
    """Runs by ``(entity, project)`` and id.

    key: the only API key that is let in.
    asked: names of the GraphQL operations, in order.
    statuses: answers to operations of a name come with these codes first; the last one stays.
    files: bodies by upload path. views: saved workspaces and reports.
    """

    def __init__(self, entity: str = "ent"):
        self.entity, self.key = entity, KEY
        self.projects: dict[tuple[str, str], dict[str, StoredRun]] = {}
        self.asked: list[str] = []
        self.statuses: dict[str, list[int]] = {}
        self.files: dict[str, bytes] = {}
        self.views: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"owner": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes a client talk to this server and no other."""
        return {
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": KEY,
            "WANDB_MODE": "online",
            "WANDB_ERROR_REPORTING": "false",
        }

    def runs(self, project: str) -> dict[str, StoredRun]:
        return self.projects.setdefault((self.entity, project), {})

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def status(self, operation: str) -> int:
        """The code of the next answer to this operation."""
        told = self.statuses.get(operation) or [200]
        return told.pop(0) if len(told) > 1 else told[0]

    def graphql(self, operation: str, v: dict[str, Any]) -> dict[str, Any]:
        """The data that answers an operation with its variables."""
        with self._lock:
            answer = getattr(self, f"_{operation}", None)
            return answer(v) if answer else {}

    def stream(self, entity: str, project: str, name: str, body: dict[str, Any]) -> None:
        """Lines of history and events, the summary, and whether the run is over."""
        with self._lock:
            run = self.projects[entity, project][name]
            for file, part in (body.get("files") or {}).items():
                lines = [line for line in part["content"] if line.strip()]
                if file == "wandb-summary.json":
                    run.summary = json.loads(lines[-1])
                elif file in ("wandb-history.jsonl", "wandb-events.jsonl"):
                    kept = run.history if "history" in file else run.events
                    kept[part["offset"] : part["offset"] + len(lines)] = lines
            if body.get("complete"):
                run.state = "finished" if body.get("exitcode") == 0 else "failed"

    # Who asks, and what the server can ------------------------------------------------------------

    def _Viewer(self, v: dict[str, Any]) -> dict[str, Any]:
        me = {"id": "u1", "entity": self.entity, "username": self.entity, "email": "a@example.org"}
        return {"viewer": {**me, "flags": "{}", "teams": {"edges": []}, "admin": False}}

    _GetViewer = _GetDefaultEntity = _Viewer

    def _ServerFeaturesQuery(self, v: dict[str, Any]) -> dict[str, Any]:
        return {"serverInfo": {"features": []}}

    def _OrganizationCoreWeaveOrganizationID(self, v: dict[str, Any]) -> dict[str, Any]:
        return {"entity": {"organization": None}}

    # Writing runs ---------------------------------------------------------------------------------

    def _UpsertBucket(self, v: dict[str, Any]) -> dict[str, Any]:
        entity, project = v.get("entity") or self.entity, v.get("project") or "uncategorized"
        runs = self.projects.setdefault((entity, project), {})
        inserted = v["name"] not in runs
        run = runs.setdefault(v["name"], StoredRun(v["name"]))
        run.starts, run.state = run.starts + 1, "running"
        run.config = json.loads(v["config"]) if v.get("config") else run.config
        run.name = v.get("displayName") or run.name or run.id
        run.group = v.get("groupName") or run.group
        run.tags = run.tags if v.get("tags") is None else v["tags"]
        run.commit = v.get("commit") or run.commit
        where = {"id": "p1", "name": project, "entity": {"id": "e1", "name": entity}}
        bucket = {"id": f"x-{run.id}", "name": run.id, "displayName": run.name, "project": where}
        bucket |= {"config": json.dumps(run.config), "description": "", "sweepName": None}
        bucket |= {"historyLineCount": len(run.history)}
        return {"upsertBucket": {"bucket": bucket, "inserted": inserted}}

    def _RunResumeStatus(self, v: dict[str, Any]) -> dict[str, Any]:
        entity = v.get("entity") or self.entity
        run = self.projects.get((entity, v["project"]), {}).get(v["name"])
        model = {"id": "p1", "name": v["project"], "entity": {"id": "e1", "name": entity}}
        if run is None:
            return {"model": {**model, "bucket": None}}
        bucket = {"id": f"x-{run.id}", "name": run.id, "displayName": run.name, "notes": None}
        bucket |= {"summaryMetrics": json.dumps(run.summary), "config": json.dumps(run.config)}
        bucket |= {"historyLineCount": len(run.history), "eventsLineCount": len(run.events)}
        bucket |= {"logLineCount": 0, "tags": run.tags, "wandbConfig": '{"t": 1}'}
        bucket |= {"historyTail": json.dumps(run.history[-1:]), "eventsTail": "[]"}
        return {"model": {**model, "bucket": bucket}}

    def _CreateRunFiles(self, v: dict[str, Any]) -> dict[str, Any]:
        base = f"{self.url}/upload/{v['entity']}/{v['project']}/{v['run']}"
        files = [{"name": name, "uploadUrl": f"{base}/{name}"} for name in v["files"]]
        return {"createRunFiles": {"runID": v["run"], "uploadHeaders": [], "files": files}}

    # Reading them ---------------------------------------------------------------------------------

    def _Runs(self, v: dict[str, Any]) -> dict[str, Any]:
        found = self.projects.get((v["entity"], v["project"]))
        if found is None:
            return {"project": None}
        assert json.loads(v.get("filters") or "{}") == {}, "filters are not supported"
        runs, first = list(found.values()), int(v.get("cursor") or 0)
        page = runs[first : first + v["perPage"]]
        edges = [{"node": _node(run), "cursor": str(first + i + 1)} for i, run in enumerate(page)]
        more = {"endCursor": str(first + len(page)), "hasNextPage": first + len(page) < len(runs)}
        told = {"internalId": "1", "runCount": len(runs), "readOnly": False}
        return {"project": {**told, "runs": {"edges": edges, "pageInfo": more}}}

    def _RunFullHistory(self, v: dict[str, Any]) -> dict[str, Any]:
        run = self.projects[v["entity"], v["project"]][v["name"]]
        return {"project": {"run": {"history": run.history[: v["samples"]]}}}

    # Workspaces and reports -----------------------------------------------------------------------

    def _UpsertView2(self, v: dict[str, Any]) -> dict[str, Any]:
        self.views.append(v)
        project = {"id": "p1", "name": v["projectName"], "entityName": v["entityName"]}
        view = {key: v.get(key) for key in ("type", "name", "displayName", "description", "spec")}
        view |= {"id": f"view{len(self.views)}", "project": project, "updatedAt": None}
        return {"upsertView": {"view": view, "inserted": True}}

    _upsertView = _UpsertView2

    def _GetProjects(self, v: dict[str, Any]) -> dict[str, Any]:
        facts = {"__typename": "Project", "id": "p1", "createdAt": "2026-01-01T00:00:00"}
        facts |= {"isBenchmark": False, "user": None}
        edges = [
            {"node": {**facts, "name": project, "entityName": entity}, "cursor": project}
            for entity, project in self.projects
            if entity == v["entity"]
        ]
        more = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
        return {"models": {"edges": edges, "pageInfo": more}}

    def _ProjectInternalId(self, v: dict[str, Any]) -> dict[str, Any]:
        return {"project": {"internalId": "UHJvamVjdDox"}}


def _node(run: StoredRun) -> dict[str, Any]:
    node = {"id": f"x-{run.id}", "projectId": "1", "name": run.id, "displayName": run.name}
    node |= {"tags": run.tags, "group": run.group, "state": run.state, "commit": run.commit}
    node |= {"config": json.dumps(run.config), "summaryMetrics": json.dumps(run.summary)}
    node |= {"createdAt": "2026-01-01T00:00:00", "heartbeatAt": "2026-01-01T00:00:00"}
    node |= {"user": {"name": "a", "username": "a"}, "historyLineCount": len(run.history)}
    empty = ("sweepName", "jobType", "description", "notes", "systemMetrics", "historyKeys")
    return node | {"readOnly": False} | dict.fromkeys(empty)


class _Handler(BaseHTTPRequestHandler):
    owner: WandbServer

    def do_POST(self) -> None:
        body = self._body()
        if "/graphql" in self.path:
            self._graphql(json.loads(body))
        elif match := re.fullmatch(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream", self.path):
            self.owner.stream(*map(unquote, match.groups()), json.loads(body))
            self._answer(200, {"exitcode": None, "limits": {}})
        else:
            self._answer(404, {})

    def do_PUT(self) -> None:
        self.owner.files[unquote(self.path)] = self._body()
        self._answer(200, {})

    def do_GET(self) -> None:
        self._answer(200, {})

    def _graphql(self, request: dict[str, Any]) -> None:
        operation = re.search(r"\b(?:query|mutation)\s+(\w+)", request["query"])
        name = operation.group(1) if operation else ""
        self.owner.asked.append(name)
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        if base64.b64decode(given).decode() != f"api:{self.owner.key}":
            self._answer(401, {"errors": [{"message": "user is not logged in"}]})
            return
        status = self.owner.status(name)
        data = self.owner.graphql(name, request.get("variables") or {}) if status == 200 else {}
        self._answer(status, {"data": data})

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 429:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *details: Any) -> None:
        pass
