#!/usr/bin/python3
"""The worst far side: repeats all that it was sent, in every spelling, with ever another status.

usage: echo_server.py ADDRESS PORT CERTIFICATE KEY
"""

import http.server
import json
import ssl
import sys

from canaries import spellings

STATUSES = (400, 403, 500, 200, 404, 302, 409)


class Handler(http.server.BaseHTTPRequestHandler):
    count = 0

    def answer(self):
        size = int(self.headers.get("Content-Length") or 0)
        sent = [f"{self.path}", self.rfile.read(size).decode(errors="replace")]
        for value in self.headers.values():
            sent += [value, *value.split(" ", 1)[1:], *value.split("=", 1)[1:]]
        words = "; ".join(text for one in sent for text in spellings(one).values())
        body = words.encode()
        if Handler.count % 2:
            body = json.dumps({"success": False, "Code": "Echo", "Message": words,
                               "errors": [{"code": 1000, "message": words}]}).encode()
        self.send_response(STATUSES[Handler.count % len(STATUSES)])
        Handler.count += 1
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_PUT = answer

    def log_message(self, *unused):
        pass


def main():
    address, port, cert, key = sys.argv[1:]
    server = http.server.ThreadingHTTPServer((address, int(port)), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


main()
