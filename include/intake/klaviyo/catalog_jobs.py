"""Bulk jobs over the catalog: done in the request that asks for them, and kept for a week."""

from typing import Any, Literal

import msgspec
from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response

from include.intake.access import access_of
from include.intake.answers import ApiError, as_json
from include.intake.body import read_json
from include.intake.door import Door, door_of
from include.intake.klaviyo.catalog_bodies import CatalogResource, read_rows
from include.intake.klaviyo.catalog_resources import JOB_FIELDS, VARIANT_FIELDS, show_job, show_variant
from include.intake.klaviyo.filters import read_filter
from include.intake.klaviyo.identifiers import CatalogId
from include.intake.klaviyo.pages import page_links, read_cursor, read_fields, read_include, write_cursor
from include.intake.rates import CATALOG_READS, CATALOG_WRITES
from include.intake.routing import Endpoint, at
from include.services.catalog_reads import find_job, list_jobs, read_variants
from include.services.catalog_writes import CatalogWrite, JobKind, run_job

MOST_BYTES = 5_000_000
PAGE = 100
LARGEST_ID = 2**63 - 1
STATES = ("cancelled", "complete", "processing", "queued")


class _Rows(msgspec.Struct):
    data: list[CatalogResource]


class _Attributes(msgspec.Struct):
    items: _Rows | None = None
    variants: _Rows | None = None


class _Job(msgspec.Struct):
    type: str
    attributes: _Attributes


class JobBody(msgspec.Struct):
    """A bulk job."""

    data: _Job


def _take(kind: JobKind) -> Endpoint:
    subject, action = kind.split("-")

    async def take(request: Request) -> Response:
        key = await access_of(request).private(request, CATALOG_WRITES)
        fields = read_fields(request, f"catalog-{subject}-bulk-{action}-job", JOB_FIELDS)
        body = await read_json(request, JobBody, MOST_BYTES)
        if body.data.type != f"catalog-{subject}-bulk-{action}-job":
            raise ApiError.of(400, f"Allowed is catalog-{subject}-bulk-{action}-job.", pointer="/data/type")
        pointer = f"/data/attributes/{subject}s"
        given = body.data.attributes.items if subject == "item" else body.data.attributes.variants
        if given is None:
            raise ApiError.of(400, f"'{subject}s' is a required field.", pointer=pointer)
        rows, pointers = read_rows(given.data, subject, action, f"{pointer}/data")
        door = door_of(request)
        job = await door.run(_run, door, key.shop_id, kind, rows, pointers)
        shown = show_job(request, job, fields)
        return as_json({"data": shown, "links": shown["links"]}, 202)

    return take


def _run(door: Door, shop_id: str, kind: JobKind, rows: list[CatalogWrite], pointers: list[str]) -> Row[Any]:
    with door.engine.begin() as connection:
        return run_job(connection, shop_id, kind, rows, pointers, door.clock())


def _get(kind: JobKind) -> Endpoint:
    subject, action = kind.split("-")

    async def get(request: Request) -> Response:
        key = await access_of(request).private(request, CATALOG_READS)
        fields = read_fields(request, f"catalog-{subject}-bulk-{action}-job", JOB_FIELDS)
        variant_fields = read_fields(request, "catalog-variant", VARIANT_FIELDS)
        included = read_include(request, (f"{subject}s",) if subject == "variant" else ())
        text = request.path_params["job_id"]
        job_id = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
        door = door_of(request)
        job = await door.run(_find, door, key.shop_id, kind, job_id)
        if job is None:
            raise ApiError.of(404, "A job with this id does not exist.", parameter="job_id")
        shown = show_job(request, job, fields)
        answer: dict[str, Any] = {"data": shown, "links": shown["links"]}
        if included:
            found = await door.run(_read_targets, door, key.shop_id, list(job.target_ids))
            rows = [found[each] for each in dict.fromkeys(job.target_ids) if each in found]
            answer["included"] = [show_variant(request, row, variant_fields) for row in rows]
            references = [str(CatalogId(row.integration, row.variant_id)) for row in rows]
            shown["relationships"] = {
                "variants": {"data": [{"type": "catalog-variant", "id": each} for each in references]}
            }
        return as_json(answer)

    return get


def _find(door: Door, shop_id: str, kind: JobKind, job_id: int) -> Row[Any] | None:
    with door.engine.connect() as connection:
        return find_job(connection, shop_id, kind, job_id)


def _read_targets(door: Door, shop_id: str, ids: list[str]) -> dict[str, Row[Any]]:
    with door.engine.connect() as connection:
        return read_variants(connection, shop_id, ids)


def _list(kind: JobKind) -> Endpoint:
    subject, action = kind.split("-")

    async def list_all(request: Request) -> Response:
        key = await access_of(request).private(request, CATALOG_READS)
        fields = read_fields(request, f"catalog-{subject}-bulk-{action}-job", JOB_FIELDS)
        terms = read_filter(request.query_params.get("filter"), {"status": ("equals",)})
        if any(term.value not in STATES for term in terms):
            raise ApiError.of(400, f"Allowed are {', '.join(STATES)}.", parameter="filter")
        is_any = all(term.value == "complete" for term in terms)
        key_before, _ = read_cursor(request) or (LARGEST_ID, "")
        before_id = max(key_before, 0)
        door = door_of(request)
        jobs = await door.run(_find_many, door, key.shop_id, kind, before_id) if is_any else []
        following = write_cursor(jobs[PAGE - 1].job_id) if len(jobs) > PAGE else None
        shown = [show_job(request, job, fields) for job in jobs[:PAGE]]
        return as_json({"data": shown, "links": page_links(request, following)})

    return list_all


def _find_many(door: Door, shop_id: str, kind: JobKind, before_id: int) -> list[Row[Any]]:
    with door.engine.connect() as connection:
        return list(list_jobs(connection, shop_id, kind, before_id, PAGE + 1))


_SUBJECTS: tuple[Literal["item", "variant"], ...] = ("variant", "item")
_KINDS: list[JobKind] = [
    f"{subject}-{action}"  # type: ignore[misc]
    for subject in _SUBJECTS
    for action in ("create", "update", "delete")
]
ROUTES = [
    route
    for kind in _KINDS
    for path in [f"/api/catalog-{kind.split('-')[0]}-bulk-{kind.split('-')[1]}-jobs"]
    for route in (at(path, GET=_list(kind), POST=_take(kind)), at(path + "/{job_id}", GET=_get(kind)))
]
