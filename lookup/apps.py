from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

if TYPE_CHECKING:
    from insurers.lists.sealing import SealedColumn


class LookupConfig(AppConfig):
    name = "lookup"

    def ready(self) -> None:
        from insurers.signals import keys_expected, sealed_columns

        keys_expected.connect(expect_waiting_key, dispatch_uid="lookup.expect_waiting_key")
        sealed_columns.connect(name_sealed, dispatch_uid="lookup.name_sealed")


def expect_waiting_key(**kwargs: Any) -> list[tuple[str, bytes | memoryview | None]]:
    """Name the key of waiting addresses, where there is one."""
    from lookup.waiting.keys import expected_keys

    return list(expected_keys())


def name_sealed(**kwargs: Any) -> "list[SealedColumn]":
    """Name what web seals and a worker reads within minutes."""
    from insurers.lists.sealing import SealedColumn
    from lookup.models import WaitingRequest

    return [SealedColumn(WaitingRequest, "sealed")]
