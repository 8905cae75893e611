"""The control plane's parts are built before the first test that needs them: compiling has no deadline."""

import pytest

from roost.lab.components.find import find


@pytest.fixture(scope="session", autouse=True)
def components() -> None:
    for name in ("etcd", "kube-apiserver", "kube-proxy"):
        find(name)
