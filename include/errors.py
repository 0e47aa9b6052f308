"""The errors that Restock raises on purpose; the class decides the reaction.

RestockError
├── ConfigurationError     a person must change a setting; retrying does not mend it
│   ├── SchemaOutdated     the database is older than the code
│   └── FeedMissing        nothing is at a feed's address
├── TemporaryError         the same call may succeed later
├── NotReady               the platform is preparing the answer; call again when it is done
├── SnapshotRefused        a feed is refused whole; the last good state stands
├── RowRejected            one row is refused; the others go on
├── DataCheckFailed        a report does not add up; the one before stands
├── NotFound               an id or a name that does not exist
└── StackError             a local process did not start, answer or stop
"""


class RestockError(Exception):
    """Base of all errors whose text is meant for the person who runs Restock."""


class ConfigurationError(RestockError):
    """A setting is wrong: the text names where, what was seen and what is allowed."""


class SchemaOutdated(ConfigurationError):
    """The database schema is older or newer than this version of Restock."""


class FeedMissing(ConfigurationError):
    """Nothing is at a feed's address: of a past window, nothing was recorded (SEMANTICS 2.8)."""


class TemporaryError(RestockError):
    """The other side failed in a way that may pass; `retry_after` is in seconds where it was told."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotReady(RestockError):
    """The platform prepares what was asked for; `awaited` is its name for that."""

    def __init__(self, message: str, awaited: str) -> None:
        super().__init__(message)
        self.awaited = awaited


class SnapshotRefused(RestockError):
    """A feed can't be believed: nothing of it is used (SEMANTICS 2.3)."""


class RowRejected(RestockError):
    """One row can't be read: it goes to the rejects with this reason (SEMANTICS 2.3)."""


class DataCheckFailed(RestockError):
    """A report differs from the tables it is built from; the text has both numbers (SEMANTICS 9.1)."""


class NotFound(RestockError):
    """What was asked for does not exist; the text says where to look."""


class StackError(RestockError):
    """A process of the local stack did not start, answer or stop."""
