"""How large the fault tests are: `make test-faults` says it, `make test` runs a hundredth."""

import os

FULL = 50_000
MESSAGES = int(os.environ.get("FAULT_MESSAGES", FULL // 100))
IS_SMALL = MESSAGES <= FULL // 100
