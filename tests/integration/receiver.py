"""Take HTTP requests on a free port of the loopback and keep their bodies.

usage: receiver.py FOLDER [STATUS[/RETRY-AFTER],... | hang]

The port is written to FOLDER/port; request N's body to FOLDER/N.body, its first line and headers to
FOLDER/N.head. Answers request N with the N-th STATUS (200), those behind the last with the last one, or never;
with what FOLDER/answer holds, if it is there.
"""
import http.server
import os
import sys
import time

folder = sys.argv[1]
answer = sys.argv[2] if len(sys.argv) > 2 else "200"
answers = answer.split(",")
seen = 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global seen
        seen += 1
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with open(os.path.join(folder, f"{seen}.head"), "w") as head:
            head.write(f"{self.requestline}\n{self.headers}")
        partial = os.path.join(folder, f"{seen}.partial")
        with open(partial, "wb") as out:
            out.write(body)
        os.rename(partial, os.path.join(folder, f"{seen}.body"))
        if answer == "hang":
            time.sleep(3600)
        status, _, wait = answers[min(seen, len(answers)) - 1].partition("/")
        self.send_response(int(status))
        self.send_header("Content-Type", "application/json")
        if wait:
            self.send_header("Retry-After", wait)
        self.end_headers()
        told = os.path.join(folder, "answer")
        self.wfile.write(open(told, "rb").read() if os.path.exists(told) else b"{}")

    do_GET = do_PUT = do_POST

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open(os.path.join(folder, "port.new"), "w") as out:
    out.write(str(server.server_port))
os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
server.serve_forever()
