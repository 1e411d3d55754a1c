"""Which pages may call from a browser."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from gateway.http.errors import InvalidRequest


class Cors(CORSMiddleware):
    """Starlette's, but for the plain text of its refusals."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        refusal = InvalidRequest(bytes(response.body).decode() + ".").response()
        refusal.headers["Vary"] = "Origin"
        return refusal
