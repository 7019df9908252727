"""POST /orders under an Idempotency-Key, by the words of draft-ietf-httpapi-idempotency-key-header-07 alone.

Written from the draft and RFC 8941, in another language than the client and with nothing of it: who reads the draft
so has to get along with it. In memory; ends with its standard input. Prints its port.
"""

import hashlib
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

DOCS = "https://developer.example.com/idempotency"

# RFC 8941, 3.3: an Item whose bare item is a String. Parameters are allowed on any Item, and unknown ones mean nothing.
STRING = r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"'
BARE = r'(?:"(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"|-?[0-9]{1,15}(?:\.[0-9]{1,3})?|\?[01]|:[A-Za-z0-9+/=]*:|[A-Za-z*][\w!#$%&\'*+.^`|~:/-]*)'
ITEM = re.compile(rf"^ *{STRING}((?:; *[a-z*][a-z0-9_.*-]*(?:={BARE})?)*) *$", re.ASCII)

lock = threading.Lock()
records = {}  # key -> {"print": fingerprint, "answer": (status, body) or None while it is being processed}
executions = {}
gate = threading.Event()


class Orders(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        reference = parse_qs(urlsplit(self.path).query).get("reference", [""])[0]
        self.answer(200, {"count": executions.get(reference, 0)})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/release":
            gate.set()
            return self.answer(200, {})
        lines = self.headers.get_all("Idempotency-Key") or []
        if not lines:
            return self.problem(400, "Idempotency-Key is missing")
        item = ITEM.match(lines[0]) if len(lines) == 1 else None
        if item is None or item.group(1) == "":
            return self.problem(400, "Idempotency-Key is not a String")
        key = re.sub(r"\\(.)", r"\1", item.group(1))
        fingerprint = hashlib.sha256(b"POST\0" + self.path.encode() + b"\0" + body).hexdigest()
        with lock:
            mine = key not in records
            record = records.setdefault(key, {"print": fingerprint, "answer": None})
        if not mine:
            if record["print"] != fingerprint:
                return self.problem(422, "Idempotency-Key is already used")
            if record["answer"] is None:
                return self.problem(409, "A request is outstanding for this Idempotency-Key")
            return self.answer(*record["answer"])
        record["answer"] = self.execute(json.loads(body))
        self.answer(*record["answer"])

    def execute(self, order):
        reference = order["reference"]
        with lock:
            executions[reference] = executions.get(reference, 0) + 1
            count = executions[reference]
        if order.get("hold"):
            gate.wait()
        if order.get("never"):
            threading.Event().wait()
        if order.get("stumble") and count == 1:
            return 500, {"message": "out of memory"}
        if order.get("decline"):
            return 402, {"message": "declined"}
        return 201, {"id": f"{reference}-{count}", "sku": order["sku"]}

    def problem(self, status, title):
        self.answer(status, {"type": DOCS, "title": title}, "application/problem+json", f'<{DOCS}>; rel="describedby"')

    def answer(self, status, body, content_type="application/json", link=None):
        text = json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(text)))
            if link:
                self.send_header("Link", link)
            self.end_headers()
            self.wfile.write(text)
        except OSError:
            self.close_connection = True  # nobody listens any more: the record has it

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a connection that breaks is what the tests are about


server = Server(("127.0.0.1", 0), Orders)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
