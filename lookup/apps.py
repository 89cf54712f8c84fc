from typing import Any

from django.apps import AppConfig


class LookupConfig(AppConfig):
    name = "lookup"

    def ready(self) -> None:
        from insurers.signals import keys_expected

        keys_expected.connect(expect_waiting_key, dispatch_uid="lookup.expect_waiting_key")


def expect_waiting_key(**kwargs: Any) -> list[tuple[str, bytes | memoryview | None]]:
    """Name the key of waiting addresses, where there is one."""
    from lookup.waiting.keys import expected_keys

    return list(expected_keys())
