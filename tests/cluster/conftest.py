"""The control plane's parts are built before the first test that needs them: compiling has no deadline."""

from collections.abc import Iterator

import pytest
from tests.cluster.nodes import KubeLan, kube_lan

from roost.lab.components.find import find


@pytest.fixture(scope="session", autouse=True)
def components() -> None:
    for name in ("etcd", "kube-apiserver", "kube-proxy"):
        find(name)


@pytest.fixture(scope="session")
def two_networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeLan]:
    """One cluster for all tests that want two networks: controller, kube-proxies and speakers run."""
    with kube_lan(tmp_path_factory.mktemp("two-networks"), second=True) as lan:
        lan.start_all("--webhook-mode=disabled")
        yield lan


@pytest.fixture
def lan(two_networks: KubeLan) -> Iterator[KubeLan]:
    """That cluster with a pool and one advertisement, and nothing else."""
    yield from two_networks.with_pool()
