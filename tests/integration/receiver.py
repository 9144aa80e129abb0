"""Take HTTP requests on a free port of the loopback and keep their bodies.

usage: receiver.py FOLDER [STATUS | hang]

The port is written to FOLDER/port; request N's body to FOLDER/N.body, its first line and headers to
FOLDER/N.head. Answers with STATUS (200), or never.
"""
import http.server
import os
import sys
import time

folder = sys.argv[1]
answer = sys.argv[2] if len(sys.argv) > 2 else "200"
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
        self.send_response(int(answer))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_PUT = do_POST

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open(os.path.join(folder, "port.new"), "w") as out:
    out.write(str(server.server_port))
os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
server.serve_forever()
