import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from include.domain.flow import STEP_KINDS, Flow
from include.flows.definition import BrokenFlow, load_flows, read_flow
from include.settings import PROJECT_HOME

TEMPLATES = ("back_in_stock", "ask_review")
GOOD = """\
name: alert
title: Alert
trigger:
  metric: Subscribed to Back in Stock
steps:
  - id: wait_for_stock
    kind: back_in_stock_delay
  - id: tell
    kind: send_email
    template: back_in_stock
    status: live
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    folder = tmp_path / "flows"
    folder.mkdir()

    def write(text: str, name: str = "alert.yaml") -> Path:
        file = folder / name
        file.write_text(text, encoding="utf-8")
        return file

    return write


def problems_of(file: Path) -> list[str]:
    flow = read_flow(file, TEMPLATES)
    assert isinstance(flow, BrokenFlow)
    return str(flow).splitlines()


def test_a_good_file_is_a_flow(write: Write) -> None:
    flow = read_flow(write(GOOD), TEMPLATES)
    assert isinstance(flow, Flow)
    assert [step.id for step in flow.steps] == ["wait_for_stock", "tell"]
    assert flow.metric == "Subscribed to Back in Stock"
    assert flow.links == (("wait_for_stock", "tell"),)
    assert [step.message_channel for step in flow.messages] == ["EMAIL"]


def test_the_flows_of_this_project_are_valid() -> None:
    flows = load_flows(PROJECT_HOME / "dags" / "flows", TEMPLATES)
    assert [flow.name for flow in flows] == ["back_in_stock"]
    assert all(isinstance(flow, Flow) for flow in flows), "\n".join(map(str, flows))


def test_messages_are_drafts_until_someone_says_otherwise(write: Write) -> None:
    flow = read_flow(write(GOOD.replace("    status: live\n", "")), TEMPLATES)
    assert isinstance(flow, Flow)
    assert flow.steps[1].status == "draft"


def test_back_in_stock_messages_require_stock_and_ignore_smart_sending(write: Write) -> None:
    flow = read_flow(write(GOOD), TEMPLATES)
    assert isinstance(flow, Flow)
    assert flow.requires_stock(flow.steps[1])
    assert not flow.uses_smart_sending(flow.steps[1])


def test_other_messages_use_smart_sending_and_no_stock_check_unless_told(write: Write) -> None:
    text = GOOD.replace("Subscribed to Back in Stock", "Placed Order")
    text = text.replace("  - id: wait_for_stock\n    kind: back_in_stock_delay\n", "")
    flow = read_flow(write(text), TEMPLATES)
    assert isinstance(flow, Flow)
    assert flow.uses_smart_sending(flow.steps[0])
    assert not flow.requires_stock(flow.steps[0])


def test_a_junction_is_two_links_to_one_step(write: Write) -> None:
    more = "    next: end\n  - id: remind\n    kind: send_email\n    template: ask_review\n"
    end = "  - id: end\n    kind: send_email\n    template: ask_review\n"
    flow = read_flow(write(GOOD + more + end), TEMPLATES)
    assert isinstance(flow, Flow)
    assert flow.links == (("wait_for_stock", "tell"), ("tell", "end"), ("remind", "end"))


def test_a_problem_names_file_line_step_and_what_is_allowed(write: Write) -> None:
    assert problems_of(write(GOOD.replace("template: back_in_stock", "template: back_in_stok"))) == [
        "flows/alert.yaml:10, step tell: template 'back_in_stok' does not exist. "
        "Did you mean 'back_in_stock'? Allowed: ask_review, back_in_stock."
    ]


def test_all_problems_are_told_at_once(write: Write) -> None:
    text = """\
name: Alert
titel: Alert
trigger:
  metrik: x
  metric: Placed Order
steps:
  - id: tell
    kind: send_emil
  - id: tell
    kind: send_email
    template: nothing_like_it
    status: lve
    next: nowhere
  - 7
  - id: late
    kind: back_in_stock_delay
    wait: 5
    next: tell
"""
    said = "\n".join(problems_of(write(text)))
    for expected in (
        "alert.yaml:1: name 'Alert' is not the file's name. Allowed: 'alert'",
        "alert.yaml:1: name is 'Alert'. Allowed: a-z, 0-9 and _",
        "alert.yaml:1: title is missing",
        "alert.yaml:2: titel is not known here. Did you mean 'title'?",
        "alert.yaml:4: metrik is not known here. Did you mean 'metric'?",
        "alert.yaml:8, step tell: kind is 'send_emil'. Did you mean 'send_email'?",
        "alert.yaml:9, step tell: id 'tell' is used by an earlier step too",
        "alert.yaml:11, step tell: template 'nothing_like_it' does not exist. Allowed: ask_review,",
        "alert.yaml:12, step tell: status is 'lve'. Did you mean 'live'? Allowed: draft, manual, live",
        "alert.yaml:13, step tell: next 'nowhere' does not exist. Allowed: late",
        "alert.yaml:14, step 3: 7 stands where a part of the flow belongs",
        "alert.yaml:16, step late: back_in_stock_delay is not the first step",
        "alert.yaml:16, step late: back_in_stock_delay can't follow the metric 'Placed Order'",
        "alert.yaml:17, step late: wait is not known here",
        "alert.yaml:18, step late: next 'tell' is not a later step. Allowed: nothing: this is the last step",
    ):
        assert expected in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no flow"),
        ("just words", "holds no flow"),
        ("name: [", "not valid YAML"),
        ("name: !!python/object:os.system x", "not valid YAML"),
        ("name: a\n--- \nname: b", "not valid YAML"),
        ("a: &x [*x]", "aliases"),
        (GOOD + "title: Again\n", "alert.yaml:12: 'title' is given twice"),
        (GOOD.replace("title: Alert", "title: 5"), "alert.yaml:2: title is 5"),
        (GOOD.replace("status: live", "status: 2024-13-45"), "status is '2024-13-45'"),
        (GOOD.partition("steps:")[0] + "steps: []\n", "alert.yaml:5: steps"),
        (GOOD.partition("steps:")[0], "steps is missing"),
    ],
)
def test_what_is_not_a_flow_is_refused_with_its_reason(write: Write, text: str, said: str) -> None:
    assert said in "\n".join(problems_of(write(text)))


def test_a_file_that_is_not_text_is_refused(write: Write) -> None:
    file = write("")
    file.write_bytes(b"\xff\xfe\x00")
    assert "can't be read" in problems_of(file)[0]


def test_a_broken_file_does_not_remove_the_others(write: Write) -> None:
    write("name: [", "bad.yaml")
    write(GOOD)
    write(GOOD, "alert.yml")
    flows = load_flows(write(GOOD).parent, TEMPLATES)
    assert [(flow.name, type(flow)) for flow in flows] == [
        ("alert", Flow),
        ("alert_yml", BrokenFlow),
        ("bad", BrokenFlow),
    ]


def test_a_folder_that_does_not_exist_has_no_flows(tmp_path: Path) -> None:
    assert load_flows(tmp_path / "none", TEMPLATES) == ()


def test_every_kind_of_step_is_found_by_its_word() -> None:
    assert set(STEP_KINDS) == {"back_in_stock_delay", "send_email", "send_sms"}


def test_a_flow_can_be_stored_and_read_again(write: Write) -> None:
    flow = read_flow(write(GOOD), TEMPLATES)
    assert isinstance(flow, Flow)
    assert Flow.model_validate_json(flow.model_dump_json()) == flow
    assert pickle.loads(pickle.dumps(flow)) == flow


def test_an_sms_step_needs_a_template_for_sms(write: Write) -> None:
    sms = GOOD.replace("kind: send_email", "kind: send_sms")
    assert "template 'back_in_stock.sms.txt' does not exist" in problems_of(write(sms))[0]
    assert isinstance(read_flow(write(sms), TEMPLATES, ("back_in_stock",)), Flow)


@pytest.mark.parametrize(
    ("metric", "is_transactional", "purpose", "uses_smart_sending"),
    [
        ("Subscribed to Back in Stock", False, "back_in_stock", False),
        ("Placed Order", False, "marketing", True),
        ("Placed Order", True, "transactional", False),
    ],
)
def test_what_a_flow_is_for_decides_its_smart_sending(
    metric: str, is_transactional: bool, purpose: str, uses_smart_sending: bool
) -> None:
    flow = Flow.model_validate(
        {
            "name": "alert",
            "title": "Alert",
            "trigger": {"metric": metric},
            "transactional": is_transactional,
            "steps": [{"id": "tell", "kind": "send_email", "template": "back_in_stock"}],
        }
    )
    assert (flow.purpose, flow.uses_smart_sending(flow.messages[0])) == (purpose, uses_smart_sending)
