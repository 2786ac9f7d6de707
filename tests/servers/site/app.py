# SPDX-License-Identifier: MIT
"""The same answer for gunicorn, by WSGI, and for uvicorn, by ASGI."""

PLAIN = "text/plain"


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", PLAIN)])
    return [b"hello from gunicorn\n"]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", PLAIN.encode())]})
    await send({"type": "http.response.body", "body": b"hello from uvicorn\n"})
