"""What Prometheus reads at /metrics; labels name routes, never people or keys."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter(
    "restock_intake_requests", "Requests by route, method and status.", ["route", "method", "status"]
)
SECONDS = Histogram(
    "restock_intake_request_seconds",
    "Time from a request's head to its answer.",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
OPEN_REQUESTS = Gauge("restock_intake_open_requests", "Requests being served.")
THROTTLED = Counter("restock_intake_throttled", "Requests refused by a rate limit.", ["limit"])
TAKEN_TOGETHER = Histogram(
    "restock_intake_taken_together",
    "Requests that one transaction took.",
    ["kind"],
    buckets=(1, 2, 5, 10, 20, 50, 100),
)


@cache
def _count(route: str, method: str, status: int) -> Counter:
    return REQUESTS.labels(route, method, str(status))


@cache
def _time(route: str) -> Histogram:
    return SECONDS.labels(route)


def note_request(route: str, method: str, status: int, seconds: float) -> None:
    """Count one request; its labels are few, so that each is looked up once."""
    _count(route, method, status).inc()
    _time(route).observe(seconds)
