"""What GitHub, GitLab and Jira answer to those who file issues, on a free port of the loopback.

usage: trackers.py FOLDER

FOLDER/port is the port, FOLDER/issues.json all issues after each change, FOLDER/log one line a request ("POST
/repos/..."), with "!" before those that were not obeyed. What a test wants of it:

  FOLDER/public   the GitHub repository is public while this file is there
  FOLDER/fail     its number of requests is answered with 500, one less each time
  FOLDER/limit    all is refused with 403, for no more requests are taken in this hour, while this file is there
  FOLDER/stall    the next POST is obeyed, but never answered; then the file goes
  FOLDER/readers  the next GETs are answered with a proxy's page while this file is there

The token is "s3cret"; PUT /_human {"number", ...} is what a person does to an issue, "delete": true removes it.
"""
import http.server
import json
import os
import re
import sys
import threading
import time
import urllib.parse

folder = sys.argv[1]
issues = {}
lock = threading.Lock()
TRANSITIONS = [
    {"id": "11", "name": "Start", "to": {"statusCategory": {"key": "indeterminate"}}},
    {"id": "31", "name": "Done", "to": {"statusCategory": {"key": "done"}}},
]


def path(name):
    return os.path.join(folder, name)


def save():
    with open(path("issues.new"), "w") as out:
        json.dump(list(issues.values()), out, indent=1)
    os.rename(path("issues.new"), path("issues.json"))


def new_issue(**values):
    number = len(issues) + 1
    issues[number] = {"number": number, "state": "open", "reason": None, "comments": [], "confidential": None, **values}
    return issues[number]


def page(items, query, first="page", size="per_page"):
    count = int(query.get(size, ["30"])[0])
    at = int(query.get(first, ["1"])[0])
    start = (at - 1) * count if first == "page" else at
    return items[start:start + count]


def newest():
    return sorted(issues.values(), key=lambda issue: -issue["number"])


def github(method, where, query, body):
    if where == []:
        return {"private": not os.path.exists(path("public"))}
    if where == ["issues"] and method == "GET":
        return [github_issue(issue) for issue in page(newest(), query)]
    if where == ["issues"]:
        return github_issue(new_issue(title=body["title"], body=body["body"], labels=body["labels"]))
    issue = issues[int(where[1])]
    if where[2:] == ["comments"]:
        return comments(issue, method, query, body)
    if method == "PATCH":
        assert set(body) <= {"title", "body", "labels", "state", "state_reason"}, body
        issue.update({key: value for key, value in body.items() if key != "state_reason"})
        issue["reason"] = body.get("state_reason", issue["reason"])
    return github_issue(issue)


def github_issue(issue):
    return {"number": issue["number"], "title": issue["title"], "body": issue["body"], "state": issue["state"],
            "state_reason": issue["reason"], "labels": [{"name": label} for label in issue["labels"]]}


def comments(issue, method, query, body):
    if method == "GET":
        return [{"body": text} for text in page(issue["comments"], query)]
    issue["comments"].append(body["body"])
    return {"id": len(issue["comments"])}


def gitlab(method, where, query, body):
    assert where[0] == "issues"
    if where == ["issues"] and method == "GET":
        return [gitlab_issue(issue) for issue in page(newest(), query)]
    if where == ["issues"]:
        return gitlab_issue(new_issue(title=body["title"], body=body["description"], labels=body["labels"].split(","),
                                      confidential=body["confidential"]))
    issue = issues[int(where[1])]
    if where[2:] == ["notes"]:
        return comments(issue, method, query, body)
    if method == "PUT":
        event = body.pop("state_event", None)
        issue["state"] = {"close": "closed", "reopen": "open", None: issue["state"]}[event]
        if "labels" in body:
            issue["labels"] = body["labels"].split(",")
        issue["body"] = body.get("description", issue["body"])
        issue["title"] = body.get("title", issue["title"])
    return gitlab_issue(issue)


def gitlab_issue(issue):
    return {"iid": issue["number"], "title": issue["title"], "description": issue["body"], "labels": issue["labels"],
            "state": "closed" if issue["state"] == "closed" else "opened"}


def jira(method, where, query, body):
    if where == ["search"]:
        label = re.search(r'labels = "([^"]+)"', query["jql"][0]).group(1)
        found = [jira_issue(issue) for issue in newest() if label in issue["labels"]]
        return {"issues": page(found, query, "startAt", "maxResults")}
    assert where[0] == "issue"
    if where == ["issue"]:
        fields = body["fields"]
        return jira_issue(new_issue(title=fields["summary"], body=fields["description"], labels=fields["labels"],
                                    confidential=fields.get("security", {}).get("name"),
                                    kind=fields["issuetype"]["name"], project=fields["project"]["key"]))
    issue = issues[int(where[1].split("-")[1])]
    if where[2:] == ["comment"]:
        if method == "GET":
            return {"comments": [{"body": text} for text in page(issue["comments"], query, "startAt", "maxResults")]}
        issue["comments"].append(body["body"])
        return {"id": "1"}
    if where[2:] == ["transitions"]:
        if method == "GET":
            return {"transitions": TRANSITIONS}
        issue["state"] = "closed" if body["transition"]["id"] == "31" else "open"
        return None
    if method == "PUT":
        fields = body["fields"]
        issue["labels"] = fields.get("labels", issue["labels"])
        issue["title"] = fields.get("summary", issue["title"])
        issue["body"] = fields.get("description", issue["body"])
        return None
    return jira_issue(issue)


def jira_issue(issue):
    category = "done" if issue["state"] == "closed" else "new"
    return {"key": f"SEC-{issue['number']}", "fields": {
        "labels": issue["labels"], "status": {"statusCategory": {"key": category}},
        "resolution": {"name": issue["reason"]} if issue["reason"] else None}}


ROOTS = [  # path, who answers, what says that the token is right
    ("/repos/owner/name", github, ("Authorization", "Bearer s3cret")),
    ("/api/v4/projects/group%2Fname", gitlab, ("PRIVATE-TOKEN", "s3cret")),
    ("/rest/api/2", jira, ("Authorization", "Basic bWU6czNjcmV0")),
]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, value):
        data = b"" if value is None else json.dumps(value).encode() if not isinstance(value, bytes) else value
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("x-ratelimit-remaining", "0" if status == 403 else "4999")
        self.send_header("x-ratelimit-reset", str(int(time.time()) + 1800))
        self.end_headers()
        self.wfile.write(data)

    def obey(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        if url.path == "/_human":
            if body.pop("delete", False):
                del issues[body["number"]]
            else:
                issues[body["number"]].update(body)
            return 200, {}
        root = next((root for root in ROOTS if url.path.startswith(root[0])), None)
        if root is None:
            return 404, {}
        if self.headers.get(root[2][0]) != root[2][1]:
            return 401, {"message": "bad token " + str(self.headers.get(root[2][0]))}
        if os.path.exists(path("readers")) and self.command == "GET":
            return 200, b"<html>please log in</html>"
        if os.path.exists(path("limit")):
            return 403, {"message": "rate limit"}
        if os.path.exists(path("fail")):
            left = int(open(path("fail")).read()) - 1
            if left > 0:
                with open(path("fail"), "w") as out:
                    out.write(str(left))
            else:
                os.unlink(path("fail"))
            return 500, {}
        where = [urllib.parse.unquote(part) for part in url.path[len(root[0]):].split("/") if part]
        try:
            value = root[1](self.command, where, query, body)
        except KeyError:
            return 404, {}
        return (204 if value is None else 201 if self.command == "POST" else 200), value

    def handle_it(self):
        with lock:
            status, value = self.obey()
            with open(path("log"), "a") as log:
                log.write(f"{'' if status < 300 else '!'}{self.command} {self.path}\n")
            save()
        if status < 300 and self.command == "POST" and os.path.exists(path("stall")):
            os.rename(path("stall"), path("stalled"))
            time.sleep(3600)
        self.answer(status, value)

    do_GET = do_POST = do_PUT = do_PATCH = handle_it

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
with open(path("port.new"), "w") as out:
    out.write(str(server.server_port))
os.rename(path("port.new"), path("port"))
server.serve_forever()
