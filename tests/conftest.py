"""What every test is kept from: the speakers of the host it runs on, and what its user has set for them."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_host(tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in tuple(os.environ):
        if name.startswith(("ROOST_", "METALLB_")) or name in ("KUBECONFIG", "NODE_NAME"):
            del os.environ[name]
    os.environ["ROOST_RUN_DIR"] = str(tmp_path_factory.mktemp("run"))
