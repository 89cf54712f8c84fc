"""A pack of evidence: whole, checked by its own script, silent about people."""

import csv
import io
import json

from tests.notifications.evidence.conftest import Packed, verified


def test_an_untouched_pack_is_right(packed: Packed) -> None:
    code, said = verified(packed.path, key=packed.fingerprint, sha256=packed.sha256)
    assert said == (
        "Tout est exact : chaque fichier, chaque événement, le journal et la signature.\n"
    )
    assert code == 0
