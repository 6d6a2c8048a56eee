"""The ports in front of ministack for the end-to-end run."""

from infra.e2e.aws_process import as_custom_domain, custom_domain


def test_a_request_to_a_nodes_port_goes_to_its_domain_with_its_path_unchanged() -> None:
    scope = {
        "type": "http",
        "path": "/operator/locations/A/B",
        "raw_path": b"/operator/locations/A%2FB",
        "headers": [(b"host", b"127.0.0.1:9182"), (b"authorization", b"Bearer x")],
    }

    changed = as_custom_domain(scope, custom_domain("cpo"))

    assert changed["path"] == "/operator/locations/A%2FB"
    assert changed["headers"] == [(b"host", b"cpo.ocpi.test"), (b"authorization", b"Bearer x")]
