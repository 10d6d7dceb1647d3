"""A private certificate authority for one lab, and the files a TLS server and its clients need."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TLSFiles:
    """Paths of PEM files. client_cert and client_key are needed where the server asks for them.

    ca_key: the authority's own, for further certificates (trustme.CA.from_pem).
    """

    ca: str
    cert: str
    key: str
    client_cert: str
    client_key: str
    mutual: bool
    ca_key: str

    def client_options(self) -> dict[str, str | bool]:
        """Keyword arguments for a redis-py client that verifies the server."""
        options: dict[str, str | bool] = {"ssl": True, "ssl_ca_certs": self.ca}
        if self.mutual:
            options |= {"ssl_certfile": self.client_cert, "ssl_keyfile": self.client_key}
        return options

    def cli_options(self) -> list[str]:
        """The same for redis-cli."""
        options = ["--tls", "--cacert", self.ca]
        return options + (
            ["--cert", self.client_cert, "--key", self.client_key] if self.mutual else []
        )

    def directives(self) -> dict[str, str]:
        """The same for redis.conf."""
        return {
            "tls-cert-file": f'"{self.cert}"',
            "tls-key-file": f'"{self.key}"',
            "tls-ca-cert-file": f'"{self.ca}"',
            "tls-auth-clients": "yes" if self.mutual else "no",
        }


def make_tls_files(folder: Path, mutual: bool) -> TLSFiles:
    """A new CA, a certificate for localhost and 127.0.0.1, one for clients; keys are 0600."""
    import trustme

    folder.mkdir(mode=0o700)
    authority = trustme.CA(organization_name="Redis Lab")
    server = authority.issue_cert("localhost", "127.0.0.1")
    client = authority.issue_cert("client@redis-lab.invalid", common_name="redis-lab client")
    contents = {
        "ca.crt": authority.cert_pem.bytes(),
        "server.crt": b"".join(blob.bytes() for blob in server.cert_chain_pems),
        "server.key": server.private_key_pem.bytes(),
        "client.crt": b"".join(blob.bytes() for blob in client.cert_chain_pems),
        "client.key": client.private_key_pem.bytes(),
        "ca.key": authority.private_key_pem.bytes(),
    }
    for name, pem in contents.items():
        path = folder / name
        path.touch(mode=0o600)
        path.write_bytes(pem)
    ca, cert, key, client_cert, client_key, ca_key = (str(folder / name) for name in contents)
    return TLSFiles(ca, cert, key, client_cert, client_key, mutual, ca_key)
