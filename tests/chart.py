"""Renders the chart and checks the output; tests/chart.rs reports failures.

HELM is the helm to be tested. Prints one line for each problem.
"""

import base64
import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHART = ROOT / "manifests/chart"
KUBERNETES = ["1.35", "1.37"]
# Files of values, and the components on manifests/base with the same result.
AVAILABLE = "high-availability"
TWINS = {
    "production": [AVAILABLE, "certificate-renewal"],
    "base": [],
    "cert-manager": [AVAILABLE, "external-metrics", "cert-manager"],
    "monitored": [AVAILABLE, "certificate-renewal", "external-metrics", "service-monitor", "aggregated-readers", "hpa-reader"],
    "develop": [AVAILABLE],
}
# Labels that Helm adds, and labels that only scripts/deploy reads.
OF_HELM = ["helm.sh/chart", "app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by"]
OF_SCRIPTS = ["metriclet.github.io/apply"]
FOREIGN = ["cert-manager.io/v1", "monitoring.coreos.com/v1"]
helm = os.environ["HELM"]
problems = []
checked = {"rendered": 0, "objects": 0, "compared": 0, "configurations": 0, "documented": 0, "refused": 0}


def expect(holds, what):
    if not holds and what not in problems:
        problems.append(what)


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True)


def render(values, *more):
    command = [helm, "template", "metriclet", CHART, "--namespace", "custom-metrics", "--kube-version", "v1.37.0"]
    return run(*command, "--values", values, *more)


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


def name_of(item):
    return item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]


def without(labels, item):
    """The object without these labels."""
    if isinstance(item, dict):
        return {key: without(labels, value) for key, value in item.items() if key not in labels}
    if isinstance(item, list):
        return [without(labels, value) for value in item]
    return item


def plain(item):
    item = without(OF_HELM + OF_SCRIPTS, copy.deepcopy(item))
    if item["kind"] == "ConfigMap":
        item["data"]["metrics.yaml"] = yaml.safe_load(item["data"]["metrics.yaml"])
    return item


def differences(path, left, right):
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(left.keys() | right.keys()):
            if key not in left or key not in right:
                yield f"{path}.{key} is in {'the chart' if key in left else 'the overlay'} only"
            else:
                yield from differences(f"{path}.{key}", left[key], right[key])
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for number, pair in enumerate(zip(left, right)):
            yield from differences(f"{path}[{number}]", *pair)
    elif left != right:
        yield f"{path}: the chart has {left!r}, the overlay {right!r}"


def compare(where, rendered, built):
    chart = {name_of(item): plain(item) for item in rendered}
    overlay = {name_of(item): plain(item) for item in built if item["kind"] != "Namespace"}
    if where == "develop":
        # Created by Helm instead of scripts/deploy.
        certificates(where, chart)
        for item in chart.values():
            if item["kind"] == "APIService":
                del item["spec"]["caBundle"]
        for name in ["custom-metrics-ca", "custom-metrics-apiserver-tls"]:
            del chart["Secret", "custom-metrics", name]
        rules = yaml.safe_load((ROOT / "manifests/overlays/develop/metrics.yaml").read_text())
        overlay["ConfigMap", "custom-metrics", "custom-metrics-config"]["data"]["metrics.yaml"] = rules
    for name in sorted(chart.keys() ^ overlay.keys(), key=str):
        expect(False, f"{where}: {name} is in {'the chart' if name in chart else 'the overlay'} only")
    for name in chart.keys() & overlay.keys():
        for difference in differences(" ".join(filter(None, name)), chart[name], overlay[name]):
            expect(False, f"{where}: {difference}")
        checked["compared"] += 1


def certificates(where, chart):
    """Every APIService trusts the authority that signed the Service's certificate."""
    signer, used = (chart["Secret", "custom-metrics", name]["data"] for name in ["custom-metrics-ca", "custom-metrics-apiserver-tls"])
    bundles = {item["spec"]["caBundle"] for item in chart.values() if item["kind"] == "APIService"}
    expect(bundles == {signer["tls.crt"]} == {used["ca.crt"]}, f"{where}: the APIServices trust another authority")
    with tempfile.TemporaryDirectory() as folder:
        for name, data in [("ca.crt", signer["tls.crt"]), ("tls.crt", used["tls.crt"]), ("tls.key", used["tls.key"])]:
            pathlib.Path(folder, name).write_bytes(base64.b64decode(data))
        host = "custom-metrics-apiserver.custom-metrics.svc"
        verified = run("openssl", "verify", "-purpose", "sslserver", "-verify_hostname", host, "-CAfile", f"{folder}/ca.crt", f"{folder}/tls.crt")
        expect(verified.returncode == 0, f"{where}: {verified.stdout}{verified.stderr}")
        keys = [run("openssl", *command).stdout for command in [["x509", "-in", f"{folder}/tls.crt", "-pubkey", "-noout"], ["pkey", "-in", f"{folder}/tls.key", "-pubout"]]]
        expect(keys[0] == keys[1] != "", f"{where}: the key is another certificate's")


def objects(where, items):
    for item in items:
        about = f"{where}: {item['kind']} {item['metadata']['name']}"
        checked["objects"] += 1
        for version in KUBERNETES if item["apiVersion"] not in FOREIGN else []:
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except Exception as error:
                expect(False, f"{about}: Kubernetes {version}: {getattr(error, 'message', error)}")
        expect("helm.sh/hook" not in item["metadata"].get("annotations", {}), f"{about}: a hook can keep it from being removed")
        labels = item["metadata"].get("labels", {})
        expect(labels.get("app.kubernetes.io/managed-by") == "Helm", f"{about}: labels {labels}")
        expect(item["metadata"].get("namespace") or item["kind"].startswith("Cluster") or item["kind"] == "APIService", f"{about}: no namespace")
        if item["kind"] == "ConfigMap":
            configuration(where, item["data"]["metrics.yaml"])
    pods = [item["spec"] for item in items if item["kind"] == "Deployment"]
    expect(len(pods) == 1, f"{where}: {len(pods)} Deployments")
    template = pods[0]["template"]["metadata"]["labels"]
    jobs = [item["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"] for item in items if item["kind"] == "CronJob"]
    policies = [item["spec"]["podSelector"]["matchLabels"] for item in items if item["kind"] == "NetworkPolicy"]
    expect(all(len([labels for labels in [template, *jobs] if policy.items() <= labels.items()]) == 1 for policy in policies), f"{where}: a NetworkPolicy selects none or both")
    chosen = [item["spec"]["selector"] for item in items if item["kind"] == "Service"]
    expect(not any(selector.items() <= labels.items() for selector in chosen for labels in jobs), f"{where}: the Service selects pods of a CronJob")
    chosen += [item["spec"]["selector"]["matchLabels"] for item in items if item["kind"] in ["Deployment", "PodDisruptionBudget"]]
    chosen += [constraint["labelSelector"]["matchLabels"] for constraint in pods[0]["template"]["spec"].get("topologySpreadConstraints", [])]
    expect(all(selector.items() <= template.items() for selector in chosen), f"{where}: a selector does not select the pods")


def nulls(where, value, path=""):
    """GitOps tools would report such a field as a permanent difference."""
    expect(value is not None, f"{where}: {path} is null")
    for key, below in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []:
        nulls(where, below, f"{path}.{key}")


def configuration(where, text):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        done = run(os.environ["METRICLET"], "check", file.name)
    expect(done.returncode == 0, f"{where}: the configuration: {done.stderr}")
    checked["configurations"] += 1


def refuses():
    """Mistakes in values are errors, and name the value."""
    for values, why in [
        ({"replica": 2}, "replica"),
        ({"config": {"metric": []}}, "metric"),
        ({"config": {"sources": {"a": {"uri": "http://a"}}}}, "uri"),
        ({"config": {"metrics": [{"name": "a", "object": "services", "source": "a", "valve": "a"}]}}, "valve"),
        ({"config": {"metrics": [{"name": "a", "object": "services", "value": "a"}]}}, "source"),
        ({"tls": {"type": "metrics-server"}}, "type"),
        ({"tls": {"type": "existingSecret"}}, "tls.existingSecret.name"),
        ({"tls": {"type": "cert-manager", "certManager": {"existingIssuer": {"enabled": True}}}}, "existingIssuer.name"),
        ({"apiService": {"insecureSkipTLSVerify": True}}, "insecureSkipTLSVerify"),
        ({"tls": {"metriclet": {"renewal": {"before": "a month"}}}}, "before"),
        ({"tls": {"type": "metriclet"}, "apiService": {"caBundle": "-----BEGIN CERTIFICATE-----"}}, "apiService.caBundle: leave it empty"),
        ({"podDisruptionBudget": {"minAvailable": 1}}, "podDisruptionBudget"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"replicas": "two"}, "replicas"),
    ]:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            json.dump(values, file)
            file.flush()
            done = render(file.name)
        expect(done.returncode != 0 and why in done.stderr, f"{values}: expected an error that names {why}, found {done.stderr or 'none'}")
        checked["refused"] += 1


def documented(work):
    """The schema has every key in the documents; in one run, because each run of Helm takes a while."""
    whole = {"sources": {}, "metrics": []}
    for path in sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("docs/recipes/*.md"), ROOT / "README.md"]):
        for text in re.findall(r"^```yaml\n(.*?)^```$", path.read_text(), re.M | re.S):
            try:
                block = yaml.safe_load(text)
            except yaml.YAMLError:
                continue
            if isinstance(block, dict) and block.keys() <= whole.keys():
                whole["sources"] |= {f"{path.stem}-{name}": source for name, source in (block.get("sources") or {}).items()}
                whole["metrics"] += block.get("metrics") or []
                checked["documented"] += 1
    values = work / "documented.yaml"
    values.write_text(json.dumps({"config": whole}))
    done = render(values, "--show-only", "templates/configmap.yaml")
    expect(done.returncode == 0, f"configurations in the documents: {done.stderr}")


def main():
    fresh = run(ROOT / "scripts/chart", "--check")
    expect(fresh.returncode == 0, fresh.stderr.strip())
    files = sorted((CHART / "ci").glob("*-values.yaml"))
    for path in files:
        where = path.stem.removesuffix("-values")
        lint = run(helm, "lint", "--strict", CHART, "--values", path)
        expect(lint.returncode == 0, f"{where}: helm lint: {lint.stdout}{lint.stderr}")
        done = render(path)
        expect(done.returncode == 0, f"{where}: helm template: {done.stderr}")
        if done.returncode:
            continue
        checked["rendered"] += 1
        items = documents(done.stdout)
        for item in items:
            nulls(where, item, " ".join(filter(None, name_of(item))))
        objects(where, items)
        if where in TWINS:
            with tempfile.TemporaryDirectory(dir=os.environ["METRICLET_WORK"]) as folder:
                to = os.path.relpath(ROOT / "manifests", pathlib.Path(folder).resolve())
                lines = {"resources": [f"{to}/base"], "components": [f"{to}/components/{name}" for name in TWINS[where]]}
                pathlib.Path(folder, "kustomization.yaml").write_text(json.dumps(lines))
                built = run("kubectl", "kustomize", folder)
            expect(built.returncode == 0, f"{where}: {built.stderr}")
            compare(where, items, documents(built.stdout))
    # Only an installation renders notes; with Helm 4, a dry run needs no cluster.
    fourth = run(helm, "version", "--short").stdout.startswith("v4")
    for path in files if fourth else []:
        done = run(helm, "install", "metriclet", CHART, "--dry-run=client", "--namespace", "custom-metrics", "--values", path)
        expect(done.returncode == 0, f"{path.stem}: helm install --dry-run=client: {done.stderr}")
        notes = done.stdout.partition("NOTES:\n")[2]
        expect([line[0] for line in notes.splitlines() if re.match(r"\d\. ", line)] == ["1", "2", "3"], f"{path.stem}: the notes have no three commands: {notes}")
    refuses()
    with tempfile.TemporaryDirectory(dir=os.environ["METRICLET_WORK"]) as work:
        documented(pathlib.Path(work))
    for problem in problems:
        print(problem)
    print(json.dumps(checked))
    return 1 if problems else 0


sys.exit(main())
