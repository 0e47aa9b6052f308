"""A flow: one trigger and the steps that a person walks (SEMANTICS 7.1-7.3).

A new kind of step is one class here, named in `Step`.
"""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

BACK_IN_STOCK_METRIC = "Subscribed to Back in Stock"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Status = Literal["draft", "manual", "live"]
Channel = Literal["EMAIL", "SMS"]
Purpose = Literal["back_in_stock", "transactional", "marketing"]


class FlowPart(BaseModel):
    """Base of everything in a flow file: immutable, and a word that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class BaseStep(FlowPart):
    """What all kinds of steps have; without `next` the step below it in the file follows."""

    id: Name
    next: Name | None = None

    @property
    def message_channel(self) -> Channel | None:
        """The channel on which this step sends; None where it sends nothing."""
        return None


class BackInStockDelay(BaseStep):
    """People wait here until release tells them (SEMANTICS 3.9, 4)."""

    kind: Literal["back_in_stock_delay"]


class BaseMessage(BaseStep):
    """One message per person; None leaves a check to the default of its flow (SEMANTICS 5, 7.3).

    `without_stock` is what a later message of a back-in-stock flow does while there is no stock (SEMANTICS 3.9).
    """

    template: Name
    status: Status = "draft"
    smart_sending: bool | None = None
    require_stock: bool | None = None
    without_stock: Literal["hold", "skip"] = "hold"


class SendEmail(BaseMessage):
    """One e-mail per person."""

    kind: Literal["send_email"]

    @property
    def message_channel(self) -> Channel:
        """E-mail."""
        return "EMAIL"


class SendSms(BaseMessage):
    """One SMS per person, for which consent is needed (SEMANTICS 10.1)."""

    kind: Literal["send_sms"]

    @property
    def message_channel(self) -> Channel:
        """SMS."""
        return "SMS"


AnyStep = BackInStockDelay | SendEmail | SendSms
Step = Annotated[AnyStep, Field(discriminator="kind")]
STEP_KINDS: dict[str, type[BaseStep]] = {
    get_args(step.model_fields["kind"].annotation)[0]: step for step in get_args(AnyStep)
}


class Trigger(FlowPart):
    """What starts the flow for a person."""

    metric: Text


class Flow(FlowPart):
    """A valid flow; its steps are in the order in which people can walk them."""

    name: Name
    title: Text
    trigger: Trigger
    transactional: bool = False
    steps: Annotated[tuple[Step, ...], Field(min_length=1, strict=False)]

    @property
    def metric(self) -> str:
        """The event that starts the flow."""
        return self.trigger.metric

    @property
    def is_back_in_stock(self) -> bool:
        """Whether release enrols people here."""
        return self.metric == BACK_IN_STOCK_METRIC

    @property
    def purpose(self) -> Purpose:
        """What its messages are for: who waits for stock asked for them, and a receipt is no advertising."""
        if self.is_back_in_stock:
            return "back_in_stock"
        return "transactional" if self.transactional else "marketing"

    @property
    def messages(self) -> tuple[BaseMessage, ...]:
        """The steps that send something."""
        return tuple(step for step in self.steps if isinstance(step, BaseMessage))

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """(from, to) of every way from step to step, in the order of the steps."""
        ways = ((step.id, self.next_step_id(step.id)) for step in self.steps)
        return tuple((here, there) for here, there in ways if there)

    def next_step_id(self, step_id: str) -> str | None:
        """The step that follows; None where the flow ends."""
        ids = [step.id for step in self.steps]
        position = ids.index(step_id)
        following = ids[position + 1] if position + 1 < len(ids) else None
        return self.steps[position].next or following

    def requires_stock(self, step: BaseMessage) -> bool:
        """Whether the stock is checked before this message leaves; always in back-in-stock (SEMANTICS 5)."""
        return self.is_back_in_stock or bool(step.require_stock)

    def uses_smart_sending(self, step: BaseMessage) -> bool:
        """Whether recent messages hold this one back; on for marketing alone (SEMANTICS 5)."""
        return self.purpose == "marketing" if step.smart_sending is None else step.smart_sending
