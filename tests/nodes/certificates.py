"""The cluster's authorities, certificates and kubeconfigs."""

import json
from pathlib import Path

from process import run


class Certificates:
    """The certificates, all in one folder."""

    def __init__(self, folder, server):
        self.folder = folder
        self.server = server
        folder.mkdir()
        for authority in ("ca", "front-proxy-ca"):
            run("openssl", "req", "-x509", *self._key(authority), "-out", self.path(f"{authority}.crt"), "-days", "30",
                "-subj", f"/CN={authority}")
        run("openssl", "genrsa", "-out", self.path("accounts.key"), "2048")
        run("openssl", "rsa", "-in", self.path("accounts.key"), "-pubout", "-out", self.path("accounts.pub"))

    def path(self, name):
        """The path of a file in the folder."""
        return str(self.folder / name)

    def _key(self, name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path(f"{name}.key"))

    def issue(self, name, subject, authority="ca", names=()):
        """Issues a certificate for a client, or for a server with these names."""
        usage = f"extendedKeyUsage=serverAuth\nsubjectAltName={','.join(names)}" if names else "extendedKeyUsage=clientAuth"
        Path(self.path(f"{name}.ext")).write_text(usage)
        run("openssl", "req", *self._key(name), "-out", self.path(f"{name}.csr"), "-subj", subject)
        run("openssl", "x509", "-req", "-in", self.path(f"{name}.csr"), "-CA", self.path(f"{authority}.crt"),
            "-CAkey", self.path(f"{authority}.key"), "-CAcreateserial", "-days", "30", "-out", self.path(f"{name}.crt"),
            "-extfile", self.path(f"{name}.ext"))

    def kubeconfig(self, name, subject):
        """Writes a kubeconfig with a new certificate; returns its path."""
        self.issue(name, subject)
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(json.dumps({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "nodes", "cluster": {
                "server": self.server, "certificate-authority": self.path("ca.crt")}}],
            "users": [{"name": name, "user": {
                "client-certificate": self.path(f"{name}.crt"), "client-key": self.path(f"{name}.key")}}],
            "contexts": [{"name": "nodes", "context": {"cluster": "nodes", "user": name}}],
            "current-context": "nodes",
        }))
        return str(path)
