"""Helpers of the tests that call middleware as plain ASGI."""

from gateway.http.context import KEY, RequestContext

CHAT = "/v1/chat/completions"


class Echo:
    """Answers with what it was asked."""

    def __init__(self, kind=b"text/plain", failure=None):
        self.kind = kind
        self.failure = failure
        self.scopes = []
        self.bodies = []

    async def __call__(self, scope, receive, send):
        """Read the body and answer 200."""
        self.scopes.append(scope)
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        if self.failure:
            raise self.failure
        headers = [(b"content-type", self.kind)] if self.kind else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def call(app, path=CHAT, headers=(), body=(b"",), context=None, **scope):
    """Ask `app`; return the status, the headers and the body, and None where nothing was said."""
    parts = [
        {"type": "http.request", "body": part, "more_body": number < len(body) - 1}
        for number, part in enumerate(body)
    ]
    sent = []

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    base = {"type": "http", "method": "POST", "path": path, "headers": list(headers)}
    base[KEY] = context or RequestContext(path=path)
    await app({**base, **scope}, receive, send)
    if not sent:
        return None
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1].get("body", b"")
