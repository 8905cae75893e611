"""Who claims addresses by broadcast."""

import contextlib
import socket
import threading

from tests.system.speakers import Lan

__all__ = ["Claims"]


class Claims:
    """Who has claimed each address by broadcast, each claimant once for as long as it is the last one."""

    def __init__(self, nodes: Lan) -> None:
        self.by: dict[str, list[str]] = {}
        self._names = {speaker.namespace.mac("eth0"): speaker.name for speaker in nodes.speakers}
        with nodes.client.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        self._socket.bind(("eth0", 0x0806))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while frame := self._socket.recv(2048):
                sender, address = frame[22:28], frame[28:32]
                if frame[:6] == b"\xff" * 6 and address == frame[38:42] and sender in self._names:
                    heard = self.by.setdefault(socket.inet_ntoa(address), [])
                    if heard[-1:] != [self._names[sender]]:
                        heard.append(self._names[sender])
