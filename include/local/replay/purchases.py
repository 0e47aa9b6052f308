"""What people bought who wait or waited for something, as the shop's orders would tell (SEMANTICS 9.4)."""

from dataclasses import replace
from decimal import Decimal

from include.domain.orders import OrderLine
from include.domain.request import fold_email
from include.local.replay.evidence import address_of
from include.local.replay.orders import Article
from include.local.replay.orders import OrderLine as HistoryLine

CURRENCY = "GBP"


class Purchases:
    """Lines of an order history as order lines; a cancellation takes back from the customer's last one."""

    def __init__(self, articles: dict[str, Article]) -> None:
        self._articles = articles
        self._known: set[str] = set()
        self._last: dict[tuple[str, str], OrderLine] = {}
        self._news: list[OrderLine] = []

    def know(self, customer: str) -> None:
        """A customer has asked to be told: from now on their orders count."""
        self._known.add(customer)

    def take(self, line: HistoryLine, unmet: int) -> None:
        """Note what a line sold or took back."""
        if line.is_adjustment or line.customer not in self._known:
            return
        if line.quantity < 0:
            self._give_back(line)
        elif line.quantity > unmet:
            self._buy(line, line.quantity - unmet)

    def take_news(self) -> list[OrderLine]:
        """What was noted since the last call."""
        news, self._news = self._news, []
        return news

    def _buy(self, line: HistoryLine, quantity: int) -> None:
        price = Decimal(self._articles[line.sku].price or 0)
        self._note(
            line,
            OrderLine(
                order_id=str(line.line_number),
                line_number=1,
                variant_id=line.sku,
                email_key=fold_email(address_of(line.customer)),
                quantity=Decimal(quantity),
                amount=quantity * price,
                currency=CURRENCY,
                ordered_at=line.at,
            ),
        )

    def _give_back(self, line: HistoryLine) -> None:
        last = self._last.get((line.customer, line.sku))
        if last is None:
            return
        returned = min(last.quantity, last.returned_quantity - line.quantity)
        amount = last.amount * returned / last.quantity
        self._note(line, replace(last, returned_quantity=returned, returned_amount=amount))

    def _note(self, line: HistoryLine, bought: OrderLine) -> None:
        self._last[line.customer, line.sku] = bought
        self._news.append(bought)
