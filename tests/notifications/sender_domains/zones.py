"""What the Phare publishes in the DNS when all is well."""

SPF = "v=spf1 include:_spf.relais.example.net ip4:192.0.2.0/24 ~all"
DMARC = "v=DMARC1; p=reject; rua=mailto:dmarc@phare.example.fr"


def zone(**changed: list[str] | str | None) -> dict[str, list[str] | str]:
    """Return a sound zone; `spf`, `relay`, `dmarc` and `key` replace a part, or None removes it."""
    parts: dict[str, tuple[str, list[str] | str | None]] = {
        "spf": ("phare.example.fr", ["une autre vérification", SPF]),
        "relay": ("_spf.relais.example.net", ["v=spf1 ip4:198.51.100.0/24 -all"]),
        "dmarc": ("_dmarc.phare.example.fr", [DMARC]),
        "key": ("portail._domainkey.phare.example.fr", None),
    }
    found = {name: changed.get(part, value) for part, (name, value) in parts.items()}
    return {name: value for name, value in found.items() if value is not None}
