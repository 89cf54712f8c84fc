"""The API described: as OpenAPI for programs, as a plain page for people.

The page is ours: the one that comes with the library needs inline script.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from insurers.api.endpoints import api

TEXTS = {"title", "summary", "description"}
METHODS = ("get", "post", "put", "patch", "delete")


@require_safe
def openapi_json(request: HttpRequest) -> JsonResponse:
    """Publish the schema, in the language of the address."""
    return JsonResponse(described())


@require_safe
def api_docs(request: HttpRequest) -> HttpResponse:
    """Show the schema to people."""
    schema = described()
    context = {
        "info": schema["info"],
        "operations": [
            _operation(method, path, found)
            for path, methods in schema["paths"].items()
            for method, found in methods.items()
            if method in METHODS
        ],
        "schemas": [
            (name, found.get("properties", {}).items())
            for name, found in schema["components"]["schemas"].items()
        ],
        "base": request.build_absolute_uri("/")[:-1],
    }
    return render(request, "insurers/api_docs.html", context)


def described() -> dict[str, Any]:
    """Return the OpenAPI schema with its texts translated."""
    found = _translated(api.get_openapi_schema())
    assert isinstance(found, dict)
    return found


def _translated(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: gettext(value)
            if key in TEXTS and isinstance(value, str) and value
            else _translated(value)
            for key, value in node.items()
        }
    return [_translated(value) for value in node] if isinstance(node, list) else node


def _operation(method: str, path: str, found: dict[str, Any]) -> dict[str, Any]:
    return {
        "method": method.upper(),
        "path": path,
        "id": found["operationId"],
        "summary": found["summary"],
        "description": found.get("description", ""),
        "parameters": found["parameters"],
        "statuses": sorted(str(status) for status in found["responses"]),
        "has_body": "requestBody" in found,
    }
