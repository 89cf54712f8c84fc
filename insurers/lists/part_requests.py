"""Uploads in parts over HTTP, for the browser and for programs alike.

The headers are those of tus 1.0 and of the IETF's « Resumable Uploads for HTTP »: HEAD says
`Upload-Offset`, PATCH appends from that offset, so that existing clients of either work.
"""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from insurers.lists.receiving import Part
from insurers.lists.upload_problems import UploadProblem, UploadRefused
from insurers.lists.uploads import CHUNK_BYTES
from insurers.models import Upload, UploadState

KINDS = (
    "application/octet-stream",
    "application/offset+octet-stream",  # tus 1.0
    "application/partial-upload",  # the IETF's draft
)
# What is left of a refused body up to here is read and dropped, so that the sender, who is
# still sending, sees the answer; beyond, the connection closes.
DROPPED_AT_MOST = 64 * CHUNK_BYTES

STATUS: dict[UploadProblem, int] = {
    **dict.fromkeys(UploadProblem, 422),
    UploadProblem.TOO_LARGE: 413,
    UploadProblem.NO_ROOM: 503,
    UploadProblem.LENGTH_UNKNOWN: 411,
    UploadProblem.WRONG_KIND: 415,
    UploadProblem.OFFSET_UNKNOWN: 400,
    UploadProblem.WRONG_OFFSET: 409,
    UploadProblem.OVERTAKEN: 409,
    UploadProblem.INTERRUPTED: 400,
    UploadProblem.COMPLETE: 409,
    UploadProblem.GIVEN_UP: 410,
}


def body_length(request: HttpRequest) -> int:
    """Return how many bytes the request brings, or raise UploadRefused."""
    try:
        return int(request.META.get("CONTENT_LENGTH") or "")
    except ValueError as error:
        raise UploadRefused(UploadProblem.LENGTH_UNKNOWN) from error


def part_of(request: HttpRequest) -> Part:
    """Return the part that a PATCH brings, its body unread, or raise UploadRefused."""
    if request.content_type not in KINDS:
        raise UploadRefused(UploadProblem.WRONG_KIND)
    offset = request.headers.get("Upload-Offset", "")
    if not (offset.isascii() and offset.isdigit()):
        raise UploadRefused(UploadProblem.OFFSET_UNKNOWN)
    return Part(int(offset), body_length(request), request.read)


def drop_body(request: HttpRequest) -> None:
    """Read what is left of a refused body, up to 64 MiB, so that the answer is seen."""
    left = DROPPED_AT_MOST
    try:
        while left > 0 and (content := request.read(min(left, CHUNK_BYTES))):
            left -= len(content)
    except OSError:
        pass


def say_where(response: HttpResponseBase, upload: Upload) -> HttpResponseBase:
    """Write where an upload stands into the headers of an answer."""
    is_complete = upload.state == UploadState.RECEIVED
    response.headers["Upload-Offset"] = str(upload.received_bytes)
    response.headers["Upload-Length"] = str(upload.size_bytes)
    response.headers["Upload-Complete"] = "?1" if is_complete else "?0"
    response.headers["Tus-Resumable"] = "1.0.0"
    response.headers["Cache-Control"] = "no-store"
    return response


def say_refusal(response: HttpResponse, refusal: UploadRefused) -> HttpResponse:
    """Write what helps after a refusal into the headers of an answer."""
    if refusal.offset is not None:
        response.headers["Upload-Offset"] = str(refusal.offset)
    if refusal.problem == UploadProblem.NO_ROOM:
        response.headers["Retry-After"] = "600"
    response.headers["Tus-Resumable"] = "1.0.0"
    return response
