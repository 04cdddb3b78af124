"""A cluster with a control plane, nodes and DNS."""

from pathlib import Path

from api import Api
from certificates import Certificates
from machine import Machine
from network import Network
from node import Node
from plane import Plane
from process import until
from programs import COREDNS

DNS = (Path(__file__).parent / "objects" / "dns.yaml").read_text(encoding="utf-8")


class Cluster:
    """A cluster, which is running after construction."""

    def __init__(self, state, programs, families=(4, 6), nodes=2):
        self.state, self.programs = state, programs
        self.network = Network(families)
        address = self.network.machines(Network.CONTROL_PLANE)[0]
        self.certificates = Certificates(state / "certificates", f"https://{f'[{address}]' if ':' in address else address}:6443")
        self.plane = Plane(state, programs, self.network, self.certificates)
        self.kubectl = self.plane.kubectl
        self.plane.start()
        self.api = Api(self.certificates, address)
        self.nodes = [Node(Machine(state, f"node{number}"), number, self.plane) for number in range(1, nodes + 1)]
        for node in self.nodes:
            node.power_on()
        for node in self.nodes:
            until(f"{node.name} is ready", node.ready, 120)
        self.kubectl("apply", "-f", "-", stdin=DNS.replace("{image}", COREDNS).replace("{dns}", self.network.all("dns")[0]))
        self.api.until_ready("kube-system", "coredns", 2)

    def node(self, name):
        """The node with this name."""
        return next(node for node in self.nodes if node.name == name)
