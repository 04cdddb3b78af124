"""Addresses in both families: a network of machines, a network of pods with a subnet for each node, and the Services."""

from process import run

FAMILIES = {
    4: {"machines": "172.31.99.{}", "length": 24, "pods": "10.244.{}.0/24", "all pods": "10.244.0.0/16",
        "services": "10.96.0.0/16", "kubernetes": "10.96.0.1", "dns": "10.96.0.10", "any": "0.0.0.0/0"},
    6: {"machines": "fd00:99::{}", "length": 64, "pods": "fd00:244:0:{}::/64", "all pods": "fd00:244::/48",
        "services": "fd00:96::/112", "kubernetes": "fd00:96::1", "dns": "fd00:96::a", "any": "::/0"},
}


class Network:
    """A bridge on the control plane's machine, which is the network namespace of this process, and a link to each node."""

    CONTROL_PLANE = 100

    def __init__(self, order):
        """Sets the order of the families: the first is the primary one."""
        self.families = [FAMILIES[family] for family in order]
        self.order = order
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "switch", "type", "bridge")
        run("ip", "link", "set", "switch", "up")
        for family in self.families:
            run("ip", "address", "add", f"{self.machine(family, self.CONTROL_PLANE)}/{family['length']}", "dev", "switch",
                *self._at_once(family))
            # kube-proxy rewrites the addresses of Services, but only in packets that have a route.
            run("ip", "route", "add", family["services"], "dev", "switch")
        for setting in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            with open(f"/proc/sys/net/{setting}", "w", encoding="ascii") as file:
                file.write("1")

    @staticmethod
    def _at_once(family):
        # Without duplicate address detection, which takes seconds.
        return ("nodad",) if family is FAMILIES[6] else ()

    @staticmethod
    def machine(family, number):
        """The address of a machine."""
        return family["machines"].format(number)

    def machines(self, number):
        """All addresses of a machine, the primary one first."""
        return [self.machine(family, number) for family in self.families]

    def all(self, what):
        """All addresses or networks of one kind, the primary one first."""
        return [family[what] for family in self.families]

    def connect(self, machine, number):
        """Connects a node. Packets between the nodes' pods pass through the control plane's machine."""
        run("ip", "link", "add", f"to-{machine.name}", "type", "veth", "peer", "name", "eth0", "netns", str(machine.init))
        run("ip", "link", "set", f"to-{machine.name}", "master", "switch", "up")
        machine.run("ip", "link", "set", "eth0", "up")
        for family in self.families:
            own, gateway = self.machine(family, number), self.machine(family, self.CONTROL_PLANE)
            machine.run("ip", "address", "add", f"{own}/{family['length']}", "dev", "eth0", *self._at_once(family))
            machine.run("ip", "route", "add", family["any"], "via", gateway)
            run("ip", "route", "replace", family["pods"].format(number), "via", own)
