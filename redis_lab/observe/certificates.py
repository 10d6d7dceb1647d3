"""certificates: what TLS certificates say, read from files or from servers."""

import ssl
from pathlib import Path

import pandas as pd

_PATIENCE = 5.0  # seconds for a server's handshake


def certificates(*sources: str | Path | tuple[str, int]) -> pd.DataFrame:
    """A row for each source, a PEM file or a (host, port): the first certificate there.

    Columns: subject and issuer (the last part of the name), names (that the holder may be dialled
    by), until, authority (whether it may sign others), key (the beginning of the public key's
    SHA-256). Nothing is verified, and nothing is sent to a server but the handshake.
    Raises OSError for what can't be read or reached, ValueError for what is no certificate.
    """
    frame = pd.DataFrame([_row(_pem(source)) for source in sources])
    names = [_name(source) for source in sources]
    frame.index = pd.Index(names, name="source", dtype=object)
    return frame


def _name(source: str | Path | tuple[str, int]) -> str:
    return f"{source[0]}:{source[1]}" if isinstance(source, tuple) else Path(source).name


def _pem(source: str | Path | tuple[str, int]) -> bytes:
    if isinstance(source, tuple):
        return ssl.get_server_certificate(source, timeout=_PATIENCE).encode()
    return Path(source).read_bytes()


def _row(pem: bytes) -> dict[str, object]:
    import hashlib

    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    cert = x509.load_pem_x509_certificate(pem)
    said = {each.oid: each.value for each in cert.extensions}
    names = said.get(x509.OID_SUBJECT_ALTERNATIVE_NAME, [])  # type: ignore[attr-defined]
    basic = said.get(x509.OID_BASIC_CONSTRAINTS)  # type: ignore[attr-defined]
    key = cert.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "subject": _last(cert.subject),
        "issuer": _last(cert.issuer),
        "names": ", ".join(str(each.value) for each in names),  # type: ignore[attr-defined]
        "until": f"{cert.not_valid_after_utc:%Y-%m-%d}",
        "authority": bool(basic and basic.ca),  # type: ignore[attr-defined]
        "key": hashlib.sha256(key).hexdigest()[:8],
    }


def _last(name: object) -> str:
    parts = [str(each.value) for each in name]  # type: ignore[attr-defined]
    return parts[-1] if parts else ""
