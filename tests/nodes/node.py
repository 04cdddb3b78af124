"""A node: containerd, the kubelet and a kube-proxy on a machine."""

import json

from process import Failure, until
from programs import PAUSE

CONTAINERD = """version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins.'io.containerd.internal.v1.opt']
  path = "/var/lib/containerd/opt"
[plugins.'io.containerd.nri.v1.nri']
  disable = true
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{pause}"
[plugins.'io.containerd.cri.v1.runtime']
  # Lowering scores needs CAP_SYS_RESOURCE, which root may lack.
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["{plugins}"]
  conf_dir = "{folder}/cni"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = "{runc}"
  SystemdCgroup = false
"""


class Node:
    """A node with this number."""

    def __init__(self, machine, number, plane):
        self.machine, self.number, self.plane = machine, number, plane
        self.name, self.folder = machine.name, machine.folder
        self.programs, self.network = plane.programs, plane.network
        self.kubeconfig = plane.certificates.kubeconfig(self.name, f"/O=system:nodes/CN=system:node:{self.name}")
        self.proxy = plane.proxy_configuration(self.folder, self.name, plane.certificates.path("proxy.kubeconfig"))
        self._configure()

    def _configure(self):
        find = self.programs.find
        (self.folder / "containerd.toml").write_text(CONTAINERD.format(
            pause=PAUSE, plugins=find("cni"), folder=self.folder, runc=find("runc")))
        (self.folder / "resolv.conf").write_text(f"nameserver {self.network.all('dns')[0]}\n")
        (self.folder / "cni").mkdir()
        (self.folder / "cni" / "pods.conflist").write_text(json.dumps({
            "cniVersion": "1.0.0", "name": "pods", "plugins": [
                {"type": "bridge", "bridge": "pods", "isGateway": True, "hairpinMode": True, "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": subnet.format(self.number)}] for subnet in self.network.all("pods")],
                    "routes": [{"dst": everywhere} for everywhere in self.network.all("any")]}},
                {"type": "portmap", "capabilities": {"portMappings": True}}]}))
        (self.folder / "kubelet.json").write_text(json.dumps({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "failCgroupV1": False, "cgroupDriver": "cgroupfs", "protectKernelDefaults": True, "failSwapOn": False,
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "volumePluginDir": "/var/lib/kubelet/volume-plugins",
            "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                               "x509": {"clientCAFile": self.plane.certificates.path("ca.crt")}},
            "authorization": {"mode": "Webhook"},
            "clusterDomain": "cluster.local", "clusterDNS": self.network.all("dns")[:1],
            "resolvConf": f"{self.folder}/resolv.conf",
            # The disk is that of the real machine, and may be almost full.
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99}))

    def power_on(self):
        """Starts the machine with its existing disk, and all programs on it."""
        self.machine.start(self.programs)
        self.network.connect(self.machine, self.number)
        self.start_containerd()
        for image in sorted(self.programs.images.iterdir()):
            self.ctr("images", "import", str(image))
        self.start_kubelet()
        self.machine.background("kube-proxy", self.programs.find("kube-proxy"), f"--config={self.proxy}")

    def start_containerd(self):
        """Starts containerd, and waits until it responds."""
        self.machine.background("containerd", self.programs.find("containerd"), "--config", f"{self.folder}/containerd.toml")
        until(f"containerd on {self.name}", lambda: self.ctr("version"), 60)

    def start_kubelet(self):
        """Starts the kubelet."""
        self.machine.background(
            "kubelet", self.programs.find("kubelet"), f"--config={self.folder}/kubelet.json", f"--kubeconfig={self.kubeconfig}",
            f"--hostname-override={self.name}", f"--node-ip={','.join(self.network.machines(self.number))}",
            "--root-dir=/var/lib/kubelet", "--cert-dir=/var/lib/kubelet/pki", "--v=2")

    def ctr(self, *arguments):
        """Runs containerd's client."""
        return self.machine.run(self.programs.find("ctr"), "--address", "/run/containerd/containerd.sock",
                                "--namespace", "k8s.io", *arguments)

    def ready(self):
        """Whether the kubelet reports the node as ready."""
        status = self.plane.kubectl(
            "get", "node", self.name, "-o", 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')
        if status != "True":
            raise Failure(f"{self.name} has the condition Ready: {status or 'none'}")
        return True
