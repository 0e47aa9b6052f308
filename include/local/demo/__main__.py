"""`python -m include.local.demo` plays the demo."""

import argparse
import sys

from include.errors import RestockError
from include.local.demo.driver import WAIT_MINUTES, run_demo
from include.settings import load_settings

INTERRUPTED = 130


def main() -> int:
    """The exit code: 0 when everything went by the script, 1 when not, 130 when it was interrupted."""
    parser = argparse.ArgumentParser(prog="python -m include.local.demo", description=__doc__)
    parser.add_argument(
        "--wait-minutes",
        type=float,
        help=f"between two batches of one variant (default: {WAIT_MINUTES}, longer on a busy machine)",
    )
    try:
        run_demo(load_settings(), parser.parse_args().wait_minutes)
    except RestockError as error:
        sys.stderr.write(f"\nThe demo stopped: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; everything that was started is stopped.\n")
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
