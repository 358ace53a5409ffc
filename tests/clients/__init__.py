"""Real clients of a real installation: people over HTTP, a teacher who watches by the contract, a pupil's tab."""

from tests.clients.house import House
from tests.clients.people import Person, Pupil
from tests.clients.sockets import NAMESPACE, connect, eventually, make_socket, moment
from tests.clients.watcher import Watcher

__all__ = ["NAMESPACE", "House", "Person", "Pupil", "Watcher", "connect", "eventually", "make_socket", "moment"]
