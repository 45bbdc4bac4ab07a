"""A version 1.0 peer that knows only HTTP, written from docs/PROTOCOL.md section 13 alone."""

import base64
import json
import os
import threading
import time
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNED = ("payload", "timestamp", "nonce", "sender_id", "msg_type", "version")


def canonical(message):
    """What a signature covers."""
    signed = {name: message[name] for name in SIGNED}
    return json.dumps(signed, sort_keys=True, separators=(",", ":")).encode()


def holds(message, key):
    """Whether the message's signature holds under the key, 64 hexadecimal digits."""
    try:
        signature = base64.b64decode(message["signature"])
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signature, canonical(message))
        return True
    except InvalidSignature:
        return False


def proof(label, challenge, signer, verifier):
    """What is signed to answer a challenge."""
    names = b"".join(len(name.encode()).to_bytes(2, "big") + name.encode() for name in (signer, verifier))
    return label + base64.b64decode(challenge) + names


class Old:
    """The peer. With a server it keeps what is posted to it in `posted`."""

    def __init__(self, entity):
        self.entity, self.key = entity, Ed25519PrivateKey.generate()
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        self.public = self.key.public_key().public_bytes(*raw).hex()
        self.posted, self.server = Queue(), None

    def write(self, msg_type, payload, to, **members):
        message = {
            "payload": payload,
            "timestamp": time.time(),
            "nonce": base64.b64encode(os.urandom(16)).decode(),
            "encrypted_payload": None,
            "sender_public_key": None,
            "jwt_token": None,
            "sender_id": self.entity,
            "recipient_id": to,
            "session_id": None,
            "sequence_num": None,
            "version": "1.0",
            "msg_type": msg_type,
            **members,
        }
        message["signature"] = base64.b64encode(self.key.sign(canonical(message))).decode()
        return message

    def serve(self):
        posted = self.posted

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["Content-Length"])
                posted.put((self.path, json.loads(self.rfile.read(length))))
                body = b'{"status": "received"}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()

    def open_session(self, gateway, to):
        """The handshake; returns the session's id."""
        challenge = base64.b64encode(os.urandom(32)).decode()
        begin = {
            "handshake_type": "initiate",
            "challenge": challenge,
            "public_key": self.public,
            "supported_versions": ["1.0"],
        }
        status, ack = post(gateway, self.write("handshake", begin, to))
        assert (status, ack["msg_type"]) == (200, "handshake_ack"), ack
        key, answer = ack["payload"]["public_key"], ack["payload"]["challenge_response"]
        assert holds(ack, key)
        theirs = proof(b"peer-v1.0-handshake-ack", challenge, ack["sender_id"], self.entity)
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(base64.b64decode(answer), theirs)
        ours = proof(b"peer-v1.0-handshake-confirm", ack["payload"]["challenge"], self.entity, ack["sender_id"])
        confirm = {
            "handshake_type": "confirm",
            "challenge_response": base64.b64encode(self.key.sign(ours)).decode(),
            "session_id": ack["session_id"],
        }
        message = self.write("handshake_confirm", confirm, to, session_id=ack["session_id"])
        status, done = post(gateway, message)
        assert (status, done) == (200, {"status": "received"}), done
        return ack["session_id"]

    def original_confirm(self, ack, to):
        """As the original answers a challenge: with a hash that nobody can check."""
        confirm = {
            "handshake_type": "confirm",
            "challenge_response": base64.b64encode(os.urandom(64)).decode(),
            "session_id": ack["session_id"],
        }
        return self.write("handshake_confirm", confirm, to, session_id=ack["session_id"])


def post(gateway, message):
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    request = urllib.request.Request(gateway + "/message", body, {"Content-Type": "application/json"})
    return _open(request)


def get(gateway, path):
    return _open(urllib.request.Request(gateway + path))


def _open(request):
    try:
        with urllib.request.urlopen(request, timeout=40) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def new_session():
    return str(uuid.uuid4())
