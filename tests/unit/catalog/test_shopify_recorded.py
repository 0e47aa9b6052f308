from __future__ import annotations

import json

import msgspec
import pytest

from include.catalog.base import RejectedRow
from include.catalog.shopify.replies import Operation, Quantity, Submitted
from include.catalog.shopify.rows import RowMapper, SweepReader, plain_id
from include.settings import PROJECT_HOME

REPLIES = json.loads(
    (PROJECT_HOME / "tests" / "fixtures" / "shopify" / "recorded" / "replies.json").read_text()
)


def submitted(name):
    return msgspec.convert(REPLIES[name]["data"]["bulkOperationRunQuery"], Submitted)


def test_a_submission_is_understood():
    operation = submitted("submitted").bulk_operation
    assert (operation.status, operation.is_waiting, operation.url) == ("CREATED", True, None)


@pytest.mark.parametrize(("name", "code"), [("in_progress", "OPERATION_IN_PROGRESS"), ("invalid", "INVALID")])
def test_a_refused_submission_tells_its_code(name, code):
    refused = submitted(name)
    assert refused.bulk_operation is None
    assert [error.code for error in refused.user_errors] == [code]


@pytest.mark.parametrize(("name", "is_waiting"), [("running", True), ("completed", False)])
def test_an_operation_is_understood_while_it_runs_and_at_its_end(name, is_waiting):
    shown = {**REPLIES[name]["data"]["bulkOperation"]}
    operation = msgspec.convert(shown, Operation)
    assert operation.is_waiting == is_waiting
    assert operation.query.startswith("#graphql\n")
    assert (operation.url is None) == is_waiting


def test_lines_of_another_query_are_rejected_row_by_row():
    lines = [json.dumps(line).encode() + b"\n" for line in REPLIES["lines"]]
    rows = [row for chunk in SweepReader(lines, RowMapper("any"), "test").read() for row in chunk]
    assert len(rows) == 40
    assert {type(row) for row in rows} == {RejectedRow}
    assert "the variant has no price, inventoryPolicy, product, inventoryItem" in rows[0].reason


def test_levels_have_ids_with_their_item_and_quantities_without_a_time():
    levels = REPLIES["levels"]["data"]["inventoryItem"]["activeLevels"]["edges"]
    assert len(levels) == 2
    for edge in levels:
        node = edge["node"]
        assert plain_id(node["id"]).isdigit() and "?inventory_item_id=" in node["id"]
        quantities = msgspec.convert(node["quantities"], list[Quantity])
        assert next(one for one in quantities if one.name == "available").updated_at is None
