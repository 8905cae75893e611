"""`python -m roost.lab.components`: have everything that a control plane on this machine needs."""

import sys

from roost.lab.components.find import MissingComponentError, find

if __name__ == "__main__":
    try:
        for name in ("etcd", "kube-apiserver", "kube-proxy"):
            find(name)
    except MissingComponentError as error:
        sys.exit(str(error))
