"""The programs and images of the nodes, which scripts/test-nodes has built."""

import hashlib
import io
import json
import os
import shutil
import tarfile
from pathlib import Path

from process import Failure

PAUSE = "localhost/metriclet-nodes/pause:1"
APP = "localhost/metriclet-nodes/app:1"
COREDNS = "localhost/metriclet-nodes/coredns:1"


class Programs:
    """The paths of programs, and archives of images with them."""

    def __init__(self, state, metriclet_archive, busybox_name):
        self.images = state / "images"
        self.images.mkdir()
        self._archive("pause", PAUSE, ["/app", "pause"], {"app": self.find("app")})
        self._archive("app", APP, ["/app"], {"app": self.find("app")})
        self._archive("coredns", COREDNS, ["/coredns"], {"coredns": self.find("coredns")})
        busybox = self.find("busybox")
        self._archive("busybox", busybox_name, [], {"bin/httpd": busybox, "bin/sh": busybox})
        shutil.copy(metriclet_archive, self.images / "metriclet.tar")

    @staticmethod
    def find(name):
        """The path of a program or of a folder of plugins."""
        for folder in os.environ["PATH"].split(":"):
            if (path := Path(folder) / name).exists():
                return str(path)
        raise Failure(f"{name} is not in {os.environ['PATH']}")

    def _archive(self, file, name, entrypoint, files):
        """Writes an OCI image with one layer to a tar archive."""
        blobs = {}

        def blob(kind, data):
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            blobs[digest] = data
            return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": len(data)}

        def document(kind, value):
            return blob(kind, json.dumps(value).encode())

        layer = blob("layer.v1.tar", _tar({to: (Path(path).read_bytes(), 0o555) for to, path in files.items()}))
        config = document("config.v1+json", {
            "architecture": "arm64" if os.uname().machine == "aarch64" else "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Entrypoint": entrypoint},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        })
        manifest = document("manifest.v1+json", {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config,
            "layers": [layer],
        })
        manifest["annotations"] = {"io.containerd.image.name": name}
        layout = {f"blobs/{digest.replace(':', '/')}": (data, 0o444) for digest, data in blobs.items()}
        layout["oci-layout"] = (b'{"imageLayoutVersion":"1.0.0"}', 0o444)
        layout["index.json"] = (json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode(), 0o444)
        (self.images / f"{file}.tar").write_bytes(_tar(layout))


def _tar(files):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, (data, mode) in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
    return archive.getvalue()
