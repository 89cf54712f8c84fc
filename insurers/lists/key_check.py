"""Look at every key that must exist before anything needs it, and name what is lost or wrong."""

from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from django.conf import settings
from django.utils.translation import gettext as _
from nacl.public import PrivateKey

from insurers.lists.contacts import data_key_name
from insurers.lists.fingerprint_keys import address_key_name, breach_key_name, open_key
from insurers.lists.keystore import (
    KEY_BYTES,
    KeyDestroyedError,
    KeyNotFoundError,
    StoreUnreachableError,
    WrongKeyError,
    key_store,
)
from insurers.models import (
    AddressKey,
    AffectedList,
    FingerprintKey,
    ListEffect,
    ListPurge,
    ListState,
)
from insurers.signals import keys_expected

Expected = tuple[str, bytes | memoryview | None]
"""The name of a key and its proof (`fingerprint_keys.proof_of`), where there is one."""


@dataclass(frozen=True)
class KeyFault:
    """What is wrong with the key of this name, and what to do; never a value."""

    name: str
    what: str
    to_do: str

    def __str__(self) -> str:
        return f"{self.name} : {self.what} {self.to_do}"


def faults_of_settings() -> list[KeyFault]:
    """Check the keys that settings give, for the role of this process; no server is asked."""
    names = ["SEALING_PUBLIC_KEY", "REFERENCE_LOOKUP_KEY"]
    if settings.ROLE == "owner":
        names = []
    if settings.ROLE == "worker":
        names += ["SEALING_PRIVATE_KEY", "REFERENCE_KEY"]
        if settings.SEALING_PRIVATE_KEY_PREVIOUS:
            names.append("SEALING_PRIVATE_KEY_PREVIOUS")
        if settings.KEY_STORE_URL.startswith("wrapped:"):
            names.append("KEY_STORE_MASTER_KEY")
    faults = [
        KeyFault(
            name,
            _("ce n’est pas une clé de 32 octets en base64."),
            _("Remettez la valeur d’origine : une autre n’ouvrirait rien de ce qui existe."),
        )
        for name in names
        if not _is_key(getattr(settings, name))
    ]
    if not faults and settings.ROLE == "worker" and not _is_a_pair():
        faults.append(
            KeyFault(
                "SEALING_PRIVATE_KEY",
                _("elle n’ouvre pas ce que SEALING_PUBLIC_KEY scelle."),
                _(
                    "Donnez les deux clés de la même paire ; l’ancienne privée, pendant un"
                    " remplacement, va dans SEALING_PRIVATE_KEY_PREVIOUS."
                ),
            )
        )
    return faults


def faults_of_store() -> list[KeyFault]:
    """Open every key that the database says must exist; name those that do not (worker only)."""
    faults = list(_faults(_expected()))
    if faults:
        # A list may have been refused or purged while we looked.
        names = set(expected_keys())
        faults = [fault for fault in faults if fault.name in names]
    return faults


def destroyed_keys() -> list[str]:
    """Return the expected keys that were destroyed on purpose.

    The database was restored from before the purge: its contacts stay unreadable.
    """
    found = []
    for name in expected_keys():
        try:
            key_store().get(name)
        except KeyDestroyedError:
            found.append(name)
        except (KeyNotFoundError, WrongKeyError, StoreUnreachableError):
            continue  # `faults_of_store` says so.
    return found


def _faults(expected: Iterable[Expected]) -> Iterator[KeyFault]:
    for name, proof in expected:
        try:
            open_key(name, proof)
        except KeyDestroyedError:
            continue
        except KeyNotFoundError:
            yield KeyFault(
                name,
                _("la base la connaît et l’entrepôt de clés ne l’a pas."),
                _(
                    "Vérifiez KEY_STORE_URL ou KEY_STORE_DIR, puis restaurez l’entrepôt depuis sa"
                    " sauvegarde. Ne créez pas d’autre clé de ce nom."
                ),
            )
        except WrongKeyError:
            yield KeyFault(
                name,
                _("elle ne s’ouvre pas, ou n’est pas celle de ce nom."),
                _(
                    "Vérifiez SEALING_PRIVATE_KEY (et SEALING_PRIVATE_KEY_PREVIOUS pendant un"
                    " remplacement) ou KEY_STORE_MASTER_KEY, sinon restaurez l’entrepôt."
                ),
            )
        except StoreUnreachableError as error:
            yield KeyFault(
                name,
                _("l’entrepôt de clés ne répond pas (%(cause)s).") % {"cause": error},
                _("Rendez l’entrepôt lisible par le compte du worker, puis relancez."),
            )
            return


def expected_keys() -> Iterator[str]:
    """Yield the name of every key that something in the database needs."""
    return (name for name, _proof in _expected())


def _expected() -> Iterator[Expected]:
    kept = FingerprintKey.objects.filter(destroyed_at=None)
    for breach_id, version, proof in kept.values_list("breach_id", "version", "proof"):
        yield breach_key_name(breach_id, version), proof
    present = AddressKey.objects.filter(destroyed_at=None)
    for insurer_id, number, proof in present.values_list("insurer_id", "number", "proof"):
        yield address_key_name(insurer_id, number), proof
    purged = ListPurge.objects.values("list_id")
    lists = AffectedList.objects.with_members().exclude(effect=ListEffect.WITHDRAW)
    read = AffectedList.objects.filter(state=ListState.INGESTING, text__has_key="columns")
    for found in (lists.exclude(pk__in=purged), read):
        for list_id, attempt in found.order_by("pk").values_list("pk", "attempt"):
            yield data_key_name(list_id, attempt), None  # A wrong one opens no contact.
    for _receiver, others in keys_expected.send(sender=None):
        yield from cast("list[Expected]", others)


def _is_key(text: str) -> bool:
    try:
        return len(b64decode(text, validate=True)) == KEY_BYTES
    except ValueError:
        return False


def _is_a_pair() -> bool:
    private = PrivateKey(b64decode(settings.SEALING_PRIVATE_KEY))
    return bytes(private.public_key) == b64decode(settings.SEALING_PUBLIC_KEY)
