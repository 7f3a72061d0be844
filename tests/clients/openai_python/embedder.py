"""A server that makes vectors, for what the broker asks one for."""

import http.server
import json
import threading

KEY = "canary-embedder-key"
# What the broker is told of it.
SETTINGS = """[embedder]
base_url = "{url}/v1"
model = "small"
api_key_env = "EMBEDDER_KEY"
"""


def vector(text):
    return [float(len(text)), 0.5, -1.0]


class Embedder:
    """Vectors of three numbers; `status` is what it answers instead, once it is set."""

    def __init__(self):
        self.asked, self.status = [], None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.asked.append((self.path, self.headers["authorization"], body))
                status, answer = outer.answer(body)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, body):
        if self.status:
            return self.status, {"error": {"message": "not now"}}
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        data = [{"object": "embedding", "index": at, "embedding": vector(it)} for at, it in enumerate(texts)]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        return 200, {"object": "list", "data": data, "model": "small", "usage": usage}

    def stop(self):
        self.server.shutdown()
