"""The webhook's certificates: made, kept, renewed in time."""

from datetime import UTC, datetime, timedelta

from cryptography import x509

from roost.kubernetes.certificates import Bundle, make, read, renewed

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_what_is_good_is_kept() -> None:
    bundle = make("a.b.svc", NOW)
    assert renewed(bundle, "a.b.svc", NOW + timedelta(days=200)) == bundle
    assert read(bundle.as_secret()) == bundle


def test_a_server_certificate_is_renewed_in_time_under_the_same_authority() -> None:
    bundle = make("a.b.svc", NOW)
    later = renewed(bundle, "a.b.svc", NOW + timedelta(days=300))
    assert later.ca_crt == bundle.ca_crt
    assert later.tls_crt != bundle.tls_crt
    certificate = x509.load_pem_x509_certificate(later.tls_crt)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(bundle.ca_crt))


def test_another_name_and_an_old_authority_need_new_ones() -> None:
    bundle = make("a.b.svc", NOW)
    assert renewed(bundle, "c.b.svc", NOW).tls_crt != bundle.tls_crt
    assert renewed(bundle, "a.b.svc", NOW + timedelta(days=3600)).ca_crt != bundle.ca_crt


def test_what_cannot_be_read_is_nothing() -> None:
    good = make("a.b.svc", NOW).as_secret()
    assert read({}) is None
    assert read(good | {"tls.key": b"nonsense"}) is None
    assert read({key: value for key, value in good.items() if key != "ca.key"}) is None


def test_keys_are_not_shown() -> None:
    bundle = make("a.b.svc", NOW)
    assert "PRIVATE" not in repr(bundle)
    assert isinstance(bundle, Bundle)
