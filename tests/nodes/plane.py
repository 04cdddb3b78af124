"""The control plane on the machine of this process: etcd, kube-apiserver, the controllers, the scheduler and a kube-proxy."""

import json

from process import background, run, until

CONTROLLERS = (
    # HPAs and nodes react faster than by default, so that tests take less time; everything else is the default.
    "--horizontal-pod-autoscaler-sync-period=5s",
    "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
)


class Plane:
    """The control plane's processes, and the certificates that it has signed."""

    def __init__(self, state, programs, network, certificates):
        self.folder = state / "control-plane"
        self.folder.mkdir()
        self.programs, self.network, self.certificates = programs, network, certificates
        self.kubeconfig = certificates.kubeconfig("admin", "/O=system:masters/CN=admin")
        certificates.issue("apiserver", "/CN=kube-apiserver", names=[
            "DNS:localhost", "DNS:kubernetes.default.svc",
            *(f"IP:{address}" for address in network.all("kubernetes") + network.machines(network.CONTROL_PLANE))])
        certificates.issue("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client")
        certificates.issue("front-proxy", "/CN=front-proxy-client", authority="front-proxy-ca")

    def start(self):
        """Starts everything and waits until Services work."""
        self._background("etcd", f"--data-dir={self.folder}/etcd", "--listen-client-urls=http://127.0.0.1:2379",
                         "--advertise-client-urls=http://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380")
        self._start_apiserver()
        path = self.certificates.path
        self._background("kube-controller-manager", "--kubeconfig=" + self.certificates.kubeconfig(
            "controllers", "/CN=system:kube-controller-manager"), "--use-service-account-credentials=true",
            f"--service-account-private-key-file={path('accounts.key')}", f"--root-ca-file={path('ca.crt')}",
            "--leader-elect=false", *CONTROLLERS)
        self._background("kube-scheduler", "--leader-elect=false",
                         "--kubeconfig=" + self.certificates.kubeconfig("scheduler", "/CN=system:kube-scheduler"))
        proxy = self.certificates.kubeconfig("proxy", "/CN=system:kube-proxy")
        self._node_of_the_control_plane()
        self._background("kube-proxy", "--config=" + self.proxy_configuration(self.folder, "control-plane", proxy))
        until("the control plane's kube-proxy works", lambda: run(self.programs.find("nft"), "list", "table", "ip", "kube-proxy"))

    def _node_of_the_control_plane(self):
        # A Node without a kubelet, because no pods run here; kube-proxy waits for its Node.
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "control-plane"}, "spec": {
            "taints": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]}}
        self.kubectl("create", "-f", "-", stdin=json.dumps(node))
        addresses = [{"type": "InternalIP", "address": a} for a in self.network.machines(self.network.CONTROL_PLANE)]
        status = json.dumps({"status": {"addresses": addresses}})
        self.kubectl("patch", "node", "control-plane", "--subresource=status", "-p", status)

    def _start_apiserver(self):
        path, network = self.certificates.path, self.network
        (self.folder / "audit.yaml").write_text(json.dumps({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
            # Metriclet's requests only.
            "rules": [{"level": "Metadata", "users": ["system:serviceaccount:custom-metrics:custom-metrics-apiserver"]},
                      {"level": "None"}]}))
        self._background(
            "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", "--secure-port=6443",
            f"--advertise-address={network.machines(network.CONTROL_PLANE)[0]}",
            f"--service-cluster-ip-range={','.join(network.all('services'))}",
            f"--tls-cert-file={path('apiserver.crt')}", f"--tls-private-key-file={path('apiserver.key')}",
            f"--client-ca-file={path('ca.crt')}", "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction", "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={path('accounts.pub')}", f"--service-account-signing-key-file={path('accounts.key')}",
            f"--requestheader-client-ca-file={path('front-proxy-ca.crt')}", "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User", f"--proxy-client-cert-file={path('front-proxy.crt')}",
            f"--proxy-client-key-file={path('front-proxy.key')}", f"--kubelet-client-certificate={path('kubelet-client.crt')}",
            f"--kubelet-client-key={path('kubelet-client.key')}", "--kubelet-preferred-address-types=InternalIP",
            f"--audit-policy-file={self.folder}/audit.yaml", f"--audit-log-path={self.folder}/audit.log")
        until("kube-apiserver is ready", lambda: self.kubectl("get", "--raw", "/readyz") == "ok", 120)

    def proxy_configuration(self, folder, node, kubeconfig):
        """Writes the configuration of a kube-proxy; returns its path."""
        path = folder / "kube-proxy.json"
        path.write_text(json.dumps({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": "nftables",
            "hostnameOverride": node, "clientConnection": {"kubeconfig": kubeconfig},
            "clusterCIDR": ",".join(self.network.all("all pods")),
            # Does not change settings of the whole kernel.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}}))
        return str(path)

    def _background(self, name, *flags):
        background(self.folder / f"{name}.log", self.programs.find(name), *flags)

    def kubectl(self, *arguments, **options):
        """Runs kubectl as an administrator."""
        return run(self.programs.find("kubectl"), "--kubeconfig", self.kubeconfig, *arguments, **options)
