"""Changes in a running cluster: of the configuration, the certificate and the token."""

import base64
import json
import os
import ssl
import time
from datetime import datetime

from metriclet import APISERVICES, NAME, NAMESPACE, RULES, TOKEN_SECONDS
from process import Failure, run, until
from watch import Watch

SHOP = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/open_requests?labelSelector=app%3Dweb"
# The kubelet updates files within its sync period of a minute plus the time for which it may use a cached object.
KUBELET = 180


def configuration(context):
    """Edits the ConfigMap, which the kubelet replaces by a symbolic link; then makes an edit with an error."""
    metriclet = context.metriclet
    path = "/etc/metriclet/..data"
    twice = "namespaces/shop/pods/*/twice?labelSelector=app%3Dweb"
    rule = "  - {name: twice, object: pods, source: app, value: 2 * sum(open_requests)}\n"
    links = _links(metriclet, path)
    said = {pod: len(metriclet.log(pod)) for pod in metriclet.pods()}
    with Watch(context.api, SHOP) as watch:
        try:
            since = time.monotonic()
            _edit(context, RULES + rule)
            _until_logged(metriclet, said, "loaded 6 rules")
            took = time.monotonic() - since
            if set(links.values()) & set(_links(metriclet, path).values()):
                raise Failure(f"expected a new target of the symbolic link {path}, found the previous one")
            until("the new metric is served", lambda: metriclet.value(twice), 10)
            _edit(context, RULES + rule.replace("open_requests)", ""))
            _until_logged(metriclet, said, "error: value: expected")
            # The previous rule is still in use.
            metriclet.value(twice)
        finally:
            _edit(context, RULES)
    return f"used by both replicas {took:.0f} s after the edit; a rule with an error keeps its previous definition; {watch.clean()}"


def _until_logged(metriclet, said, text):
    """Waits until each pod has logged this text after its earlier output."""
    for pod, length in said.items():
        until(f"{pod} says: {text}", lambda name=pod, old=length: text in metriclet.log(name)[old:], KUBELET, 1)


def _links(metriclet, path):
    return {pod: os.readlink(f"/proc/{pid}/root{path}") for pod, (pid, _) in sorted(metriclet.processes().items())}


def _edit(context, rules):
    patch = json.dumps({"data": {"metrics.yaml": rules}})
    context.kubectl("-n", NAMESPACE, "patch", "configmap", "custom-metrics-config", "--type=merge", "-p", patch)


def certificate(context):
    """Renews the certificate like cert-manager: all three files of the Secret at once, signed by the same authority."""
    metriclet, folder = context.metriclet, context.metriclet.folder.parent / "renewal"
    folder.mkdir()
    authority = _authority(folder)
    secret = context.api.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/{NAME}-tls")
    before = base64.b64decode(secret["data"]["ca.crt"]).decode()
    with Watch(context.api, SHOP) as watch:
        # Both authorities are trusted until the first certificate of the new one is served.
        _trust(context, before + authority)
        _renew(context, folder, authority, "first")
        _trust(context, authority)
        took = _renew(context, folder, authority, "second")
    return f"served by both replicas {took:.0f} s after the Secret's update; {watch.clean()}"


def _authority(folder):
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
        f"{folder}/ca.key", "-out", f"{folder}/ca.crt", "-days", "30", "-subj", "/CN=custom-metrics-ca")
    return (folder / "ca.crt").read_text()


def _trust(context, bundle):
    encoded = base64.b64encode(bundle.encode()).decode()
    for apiservice in APISERVICES:
        context.kubectl("patch", "apiservice", apiservice, "--type=merge", "-p", json.dumps({"spec": {"caBundle": encoded}}))


def _renew(context, folder, authority, name):
    """Updates the Secret, and returns the time until every pod serves the new certificate."""
    (folder / "names").write_text(f"subjectAltName=DNS:{NAME}.{NAMESPACE}.svc\nextendedKeyUsage=serverAuth\n")
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{folder}/{name}.key",
        "-out", f"{folder}/{name}.csr", "-subj", f"/CN={NAME}.{NAMESPACE}.svc")
    run("openssl", "x509", "-req", "-in", f"{folder}/{name}.csr", "-CA", f"{folder}/ca.crt", "-CAkey", f"{folder}/ca.key",
        "-CAcreateserial", "-days", "2", "-out", f"{folder}/{name}.crt", "-extfile", f"{folder}/names")
    files = {"tls.crt": (folder / f"{name}.crt").read_text(), "tls.key": (folder / f"{name}.key").read_text(), "ca.crt": authority}
    data = {file: base64.b64encode(text.encode()).decode() for file, text in files.items()}
    since = time.monotonic()
    context.kubectl("-n", NAMESPACE, "patch", "secret", f"{NAME}-tls", "--type=merge", "-p", json.dumps({"data": data}))
    expected = ssl.PEM_cert_to_DER_cert(files["tls.crt"])
    for pod in context.metriclet.pods().values():
        def served(address=pod["status"]["podIP"]):
            return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((address, 10250))) == expected
        until(f"{pod['metadata']['name']} serves the {name} certificate", served, KUBELET, 1)
    return time.monotonic() - since


def token(context):
    """The kubelet renews the token of the service account, and Metriclet uses the new one before the old one expires."""
    metriclet = context.metriclet
    first = {pod: text for pod, text in metriclet.first_tokens.items() if pod in metriclet.pods()}
    if not first:
        raise Failure("expected a pod from the installation, found none")
    with Watch(context.api, SHOP) as watch:
        for pod, text in first.items():
            until(f"the kubelet renews the token of {pod}", lambda name=pod, old=text: metriclet.token(name) != old,
                  TOKEN_SECONDS, 2)
        # After the expiry of the old ones.
        latest = max(_claims(text)["exp"] for text in first.values())
        time.sleep(max(0, latest + 60 - time.time()))
        used = _tokens_used(context, since=latest + 30)
    renewed = {_claims(metriclet.token(pod))["jti"] for pod in first}
    if not used & renewed or used & {_claims(text)["jti"] for text in first.values()}:
        raise Failure(f"tokens used after the first ones have expired: expected some of {renewed}, found {used}")
    return f"{len(renewed)} tokens of ten minutes renewed, {len(used & renewed)} of them used since the first ones have expired; " \
        f"{watch.clean()}"


def _claims(text):
    body = text.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def _tokens_used(context, since=0):
    """The ids of the tokens in Metriclet's requests, from the audit log of kube-apiserver."""
    used = set()
    with open(context.cluster.plane.folder / "audit.log", encoding="utf-8") as log:
        for event in map(json.loads, log):
            at = datetime.fromisoformat(event["requestReceivedTimestamp"].replace("Z", "+00:00")).timestamp()
            if at >= since:
                used.update(value.removeprefix("JTI=") for value in event["user"].get("extra", {}).get(
                    "authentication.kubernetes.io/credential-id", []))
    return used
