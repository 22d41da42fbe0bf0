"""A reverse proxy in its own process that serves another server under a path prefix.

Called with: PORT UPSTREAM_PORT PREFIX strip|keep. It removes the prefix, or leaves it, and forwards
the Host header unchanged.
"""

import http.client
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "server", "date"}


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream, prefix, strip = 0, "", True

    def forward(self):
        path = self.path
        if not path.startswith(f"{self.prefix}/"):
            self.send_error(404)
            return
        if self.strip:
            path = path.removeprefix(self.prefix)
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size) if size else None
        upstream = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=240)
        headers = {name: value for name, value in self.headers.items() if name != "Connection"}
        upstream.request(self.command, path, body=body, headers=headers)
        answer = upstream.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {*HOP_BY_HOP, "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        upstream.close()

    do_GET = do_POST = do_DELETE = forward

    def log_message(self, *arguments):
        pass


if __name__ == "__main__":
    port, Proxy.upstream, Proxy.prefix = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    Proxy.strip = sys.argv[4] == "strip"
    ThreadingHTTPServer(("127.0.0.1", port), Proxy).serve_forever()
