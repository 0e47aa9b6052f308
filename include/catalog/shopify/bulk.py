"""A shop's whole stock as one bulk operation: started, found again, waited for, fetched.

An operation carries the name of its window in a comment of its query, so that one left behind by a killed task
is found again instead of started twice. All runs by hand want the same, the shop as it is now: what one of them left
behind serves the next. Nothing of an operation that did not complete is used.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

from include.ahead import ahead
from include.catalog.archive import Archive, PartWriter
from include.catalog.http import AnswerRefused, HttpClient, Reply
from include.catalog.shopify.client import ShopifyClient
from include.catalog.shopify.documents import document
from include.catalog.shopify.replies import (
    CancelData,
    Operation,
    OperationData,
    OperationsData,
    SubmitData,
    UserError,
)
from include.domain.window import BY_HAND, Window
from include.errors import ConfigurationError, FeedMissing, NotReady, RestockError, TemporaryError

OPERATIONS_LOOKED_AT = 50
MOST_ATTEMPTS = 3
BLOCKS_AHEAD = 4
BUSY = ("OPERATION_IN_PROGRESS", "LIMIT_REACHED")
BEGUN = ("CREATED", "RUNNING")
FAILED = ("FAILED", "CANCELED", "EXPIRED")


class BulkSweep:
    """The bulk operation of one window of one shop."""

    def __init__(
        self,
        client: ShopifyClient,
        files: HttpClient,
        shop_id: str,
        window: Window,
        adopted: set[str],
    ) -> None:
        self._client = client
        self._files = files
        self._shop_id = shop_id
        self._owner = f"# restock {shop_id} "
        self._mark = f"{self._owner}{window.key}\n"
        self._is_by_hand = window.key.startswith(BY_HAND)
        self._adopted = adopted

    def fetch(self, archive: Archive, source: str) -> None:
        """Archive the result; raises NotReady until there is one."""
        operation = self._find() or self._submit()
        if operation.is_waiting:
            raise self._not_ready("Shopify prepares", operation.id)
        try:
            self._keep(operation, archive, source)
        except (AnswerRefused, FeedMissing) as gone:
            raise self._start_anew(operation, gone) from None

    def _keep(self, operation: Operation, archive: Archive, source: str) -> None:
        with archive.start(self._started_at(operation), source) as writer:
            with writer.open_part() as part:
                self._download(operation, part)
            writer.finish(kind="full", content_type="application/jsonl")

    def _started_at(self, operation: Operation) -> datetime:
        try:
            return datetime.fromisoformat(operation.created_at).astimezone(UTC)
        except ValueError:
            raise ConfigurationError(
                f"shop {self._shop_id!r}: {operation.id} was created at {operation.created_at[:40]!r}, which is no "
                "time. Has the API version changed? Try another one of those that shopify.api_version allows."
            ) from None

    def _find(self) -> Operation | None:
        """The window's operation that waits or completed; None where a new one is to be started."""
        mine = self._mine()
        usable = next((known for known in mine if known.status not in FAILED), None)
        if usable is None and mine:
            self._judge_failures(mine)
        return usable

    def _mine(self) -> list[Operation]:
        return [known for known in self._operations() if self._is_mine(known)]

    def _is_mine(self, known: Operation) -> bool:
        if self._is_by_hand and known.status in BEGUN and known.query.startswith(f"{self._owner}{BY_HAND}"):
            self._adopted.add(known.id)
        return known.query.startswith(self._mark) or known.id in self._adopted

    def _judge_failures(self, failed: list[Operation]) -> None:
        newest, count = failed[0], len(failed)
        place = f"shop {self._shop_id!r}, bulk operation {newest.id}"
        if newest.error_code == "ACCESS_DENIED":
            raise ConfigurationError(
                f"{place}: access denied. Give the app the scopes read_products, read_inventory and read_locations; "
                "the next window then starts anew, while this one, cleared, finds the same operation again."
            )
        if count >= MOST_ATTEMPTS:
            raise ConfigurationError(
                f"{place} ended as {newest.status} ({newest.error_code or 'no reason told'}), as did {count - 1} "
                "before it for this window. Nothing of them is used. See Shopify's status page; the next window "
                "starts anew."
            )

    def _operations(self) -> list[Operation]:
        answer = self._client.ask(
            "operations", OperationsData, "looking for its bulk operation", first=OPERATIONS_LOOKED_AT
        )
        return answer.data.bulk_operations.nodes

    def _submit(self) -> Operation:
        query = self._mark + document("sweep")
        try:
            answer = self._client.ask("submit", SubmitData, "starting its bulk operation", query=query)
        except TemporaryError:
            # It may have started although the answer was lost.
            if found := self._find():
                return found
            raise
        submitted = answer.data.bulk_operation_run_query
        if submitted.bulk_operation is not None and not submitted.user_errors:
            return submitted.bulk_operation
        raise self._refusal(submitted.user_errors)

    def _refusal(self, errors: list[UserError]) -> RestockError:
        if not any(error.code in BUSY for error in errors):
            said = "; ".join(error.message for error in errors) or "no reason told"
            return ConfigurationError(
                f"shop {self._shop_id!r}: Shopify does not start the bulk operation ({said}). Check "
                "shopify.api_version."
            )
        running = [known for known in self._operations() if known.is_waiting]
        if not running:
            return TemporaryError(
                f"shop {self._shop_id!r}: Shopify says that a bulk operation is in progress, and shows none. Wait "
                "until it has ended; trying again starts this pull anew.",
                retry_after=10,
            )
        left = next((known for known in running if known.query.startswith(self._owner)), None)
        if left is not None and left.status != "CANCELING":
            self._client.ask("cancel", CancelData, f"cancelling the older operation {left.id}", id=left.id)
        blocking = left or running[-1]
        return self._not_ready("another bulk operation has to end first", blocking.id)

    def _not_ready(self, why: str, awaited: str) -> NotReady:
        return NotReady(f"shop {self._shop_id!r}: {why}: {awaited}", awaited)

    def _download(self, operation: Operation, part: PartWriter) -> None:
        if operation.url is None:
            if operation.object_count != "0":
                raise TemporaryError(
                    f"shop {self._shop_id!r}: {operation.id} has {operation.object_count} objects and no address."
                )
            return
        try:
            self._copy(operation, part)
        except (AnswerRefused, FeedMissing):
            fresh = find_operation(self._client, operation.id)
            if fresh is None or fresh.url is None:
                raise
            self._copy(fresh, part)

    def _copy(self, operation: Operation, part: PartWriter) -> None:
        place = f"shop {self._shop_id!r}: the result of {operation.id}"
        try:
            # A body that breaks off is asked for again from its beginning: what was written already is passed over.
            self._files.fetch(str(operation.url), lambda reply: _continue(reply, part))
        except TemporaryError as error:
            error.args = (f"{place}: {error} Trying again fetches it anew; nothing of it was used.",)
            raise
        expected = operation.file_size
        if expected is not None and str(part.byte_count) != expected:
            raise TemporaryError(
                f"{place} has {part.byte_count} bytes, where Shopify says {expected[:40]}. Trying again fetches "
                "it anew."
            )

    def _start_anew(self, operation: Operation, gone: RestockError) -> RestockError:
        """The address expired, and so did the one that was given instead of it."""
        if len(self._mine()) >= MOST_ATTEMPTS:
            why = str(gone).rstrip(".")
            return ConfigurationError(
                f"shop {self._shop_id!r}: the result of {operation.id} can't be fetched ({why}), as those of "
                f"{MOST_ATTEMPTS - 1} before it for this window. Nothing of them is used; the next window starts anew."
            )
        return self._not_ready(
            f"the result of {operation.id} is gone, and is prepared again", self._submit().id
        )


def find_operation(client: ShopifyClient, operation_id: str) -> Operation | None:
    """How an operation stands; None where Shopify forgot it."""
    step = f"asking for the bulk operation {operation_id}"
    return client.ask("operation", OperationData, step, id=operation_id).data.node


def _continue(reply: Reply, part: PartWriter) -> None:
    passed = part.byte_count
    with closing(ahead(reply.unpacked_blocks(), BLOCKS_AHEAD)) as blocks:
        for block in _after(blocks, passed):
            part.write(block)


def _after(blocks: Iterator[bytes], count: int) -> Iterator[bytes]:
    for block in blocks:
        if count >= len(block):
            count -= len(block)
            continue
        yield block[count:]
        count = 0
