"""Certificates of our own: an authority and a server certificate, renewed in time. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Bundle", "make", "read", "renewed"]

_AUTHORITY_LIVES: Final = timedelta(days=3650)
_SERVER_LIVES: Final = timedelta(days=365)
_RENEW_BEFORE: Final = timedelta(days=90)
_EARLIER: Final = timedelta(hours=1)  # clocks of nodes differ


@dataclass(frozen=True, slots=True)
class Bundle:
    """PEM texts, as they are in the Secret."""

    ca_crt: bytes
    ca_key: bytes = field(repr=False)
    tls_crt: bytes
    tls_key: bytes = field(repr=False)

    def as_secret(self) -> dict[str, bytes]:
        """Return the Secret's keys and values."""
        return {
            "ca.crt": self.ca_crt,
            "ca.key": self.ca_key,
            "tls.crt": self.tls_crt,
            "tls.key": self.tls_key,
        }


def read(data: Mapping[str, bytes]) -> Bundle | None:
    """Return what a Secret holds, or None when it is incomplete or no PEM."""
    try:
        bundle = Bundle(data["ca.crt"], data["ca.key"], data["tls.crt"], data["tls.key"])
        x509.load_pem_x509_certificate(bundle.ca_crt)
        x509.load_pem_x509_certificate(bundle.tls_crt)
        serialization.load_pem_private_key(bundle.ca_key, None)
        serialization.load_pem_private_key(bundle.tls_key, None)
    except (KeyError, ValueError, TypeError):
        return None
    return bundle


def make(name: str, now: datetime) -> Bundle:
    """Return a new authority and a certificate of it for the DNS name `name`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "roost-ca")])
    certificate = (
        _builder(subject, subject, now, _AUTHORITY_LIVES)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _issue((_pem(certificate), _pem_key(key)), certificate, key, name, now)


def renewed(bundle: Bundle, name: str, now: datetime) -> Bundle:
    """Return `bundle`, or one that is good for long enough and for `name`."""
    authority = x509.load_pem_x509_certificate(bundle.ca_crt)
    if authority.not_valid_after_utc - now < _RENEW_BEFORE:
        return make(name, now)
    server = x509.load_pem_x509_certificate(bundle.tls_crt)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    good = name in names.get_values_for_type(x509.DNSName) and server.issuer == authority.subject
    if good and server.not_valid_after_utc - now >= _RENEW_BEFORE:
        return bundle
    key = serialization.load_pem_private_key(bundle.ca_key, None)
    if not isinstance(
        key, ec.EllipticCurvePrivateKey
    ):  # another program's: its kind may not sign as ours does
        return make(name, now)
    return _issue((bundle.ca_crt, bundle.ca_key), authority, key, name, now)


def _issue(
    texts: tuple[bytes, bytes],
    authority: x509.Certificate,
    signer: CertificateIssuerPrivateKeyTypes,
    name: str,
    now: datetime,
) -> Bundle:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    certificate = (
        _builder(subject, authority.subject, now, _SERVER_LIVES)
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return Bundle(*texts, _pem(certificate), _pem_key(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, now: datetime, lives: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - _EARLIER)
        .not_valid_after(now.astimezone(UTC) + lives)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
