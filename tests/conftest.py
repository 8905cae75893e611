"""What every test is kept from: the host's speakers, what its user has set for them, and how busy it is."""

import os
import signal

import pytest
from hypothesis import settings

settings.register_profile("roost", settings.default, deadline=None)
settings.load_profile("roost")


if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # a shell's background job: what it starts inherits that
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def no_host(tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in tuple(os.environ):
        if name.startswith(("ROOST_", "METALLB_")) or name in ("KUBECONFIG", "NODE_NAME"):
            del os.environ[name]
    os.environ["ROOST_RUN_DIR"] = str(tmp_path_factory.mktemp("run"))
