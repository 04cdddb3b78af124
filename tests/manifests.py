"""Builds combinations of the components and checks the output; tests/manifests.rs reports failures.

Kubernetes' own JSON schemas come with the package kubernetes-validate. Prints one line for each problem.
"""

import itertools
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
MANIFESTS = ROOT / "manifests"
# The oldest and the newest supported Kubernetes.
KUBERNETES = ["1.30", "1.37"]
VERSION = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
# Kinds of other projects, without a schema: the allowed fields of spec.
FOREIGN = {
    ("cert-manager.io/v1", "Issuer"): {"selfSigned", "ca"},
    ("cert-manager.io/v1", "Certificate"): {
        "isCA", "commonName", "secretName", "duration", "renewBefore", "privateKey", "issuerRef", "dnsNames", "usages",
    },
    ("monitoring.coreos.com/v1", "ServiceMonitor"): {"selector", "endpoints"},
    ("monitoring.coreos.com/v1", "PrometheusRule"): {"groups"},
}
# libyaml's loader, which takes a tenth of the time.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
problems = []
checked = {"builds": 0, "objects": 0, "configurations": 0, "documented": 0, "recipes": 0}


def expect(holds, what):
    if not holds and what not in problems:
        problems.append(what)


def build(folder):
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True)
    expect(done.returncode == 0, f"{folder}: {done.stderr.strip()}")
    expect("null" not in re.findall(r"^\s*[\w.-]+: (null)\s*$", done.stdout, re.M), f"{folder}: a field is null")
    checked["builds"] += 1
    return [document for document in yaml.load_all(done.stdout, LOADER) if document]


def schema(where, item):
    about = f"{where}: {item['kind']} {item['metadata']['name']}"
    key = (item["apiVersion"], item["kind"])
    if key in FOREIGN:
        expect(set(item["spec"]) <= FOREIGN[key], f"{about}: unknown fields {set(item['spec']) - FOREIGN[key]}")
        return
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(item, version, strict=True)
        except Exception as error:
            expect(False, f"{about}: Kubernetes {version}: {getattr(error, 'message', error)}")


def images(where, item):
    spec = template(item).get("spec", {})
    for container in spec.get("containers", []) + spec.get("initContainers", []):
        image = container["image"]
        about = f"{where}: {item['metadata']['name']}/{container['name']}"
        pinned = re.fullmatch(r"[^:@]+\.[^:@]+/[^:@]+:(\d+(\.\d+)+)", image)
        expect(pinned, f"{about}: expected a registry and a whole version, found {image}")
        if pinned and "metriclet" in image:
            expect(pinned[1] == VERSION, f"{about}: expected version {VERSION}, found {image}")
        for kind in ["requests", "limits"]:
            names = set(container.get("resources", {}).get(kind, {}))
            expect(names == {"cpu", "memory"}, f"{about}: expected {kind} of cpu and memory, found {names}")
        own = container.get("securityContext", {})
        expect(own.get("allowPrivilegeEscalation") is False, f"{about}: privileges could be escalated")
        expect(own.get("readOnlyRootFilesystem") is True, f"{about}: its root can be written to")
        expect(own.get("capabilities") == {"drop": ["ALL"]}, f"{about}: capabilities {own.get('capabilities')}")
        expect(not any("subPath" in mount for mount in container.get("volumeMounts", [])), f"{about}: a subPath never changes")
    if spec:
        pod = spec.get("securityContext", {})
        expect(pod.get("runAsNonRoot") is True and pod.get("runAsUser", 0) > 0, f"{where}: {item['metadata']['name']} runs as root")
        expect(pod.get("seccompProfile") == {"type": "RuntimeDefault"}, f"{where}: {item['metadata']['name']}: seccomp")
        expect("automountServiceAccountToken" in spec, f"{where}: {item['metadata']['name']}: token mounted by default")


def template(item):
    """The pod template of an object; none for other objects."""
    spec = item.get("spec", {})
    return spec.get("jobTemplate", {}).get("spec", spec).get("template", {})


def fits(selector, labels):
    return all(labels.get(key) == value for key, value in selector.items())


def references(where, items):
    """Selectors match pods, named ports, accounts and files exist."""
    of = lambda kind: [item for item in items if item["kind"] == kind]
    names = {(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in items}
    expect(len(names) == len(items), f"{where}: two objects have one name")
    pods = [(item["metadata"]["namespace"], template(item)) for item in of("Deployment") + of("CronJob")]
    for item in of("Deployment"):
        labels = template(item)["metadata"]["labels"]
        expect(fits(item["spec"]["selector"]["matchLabels"], labels), f"{where}: Deployment {item['metadata']['name']} selects others")
        for constraint in template(item)["spec"].get("topologySpreadConstraints", []):
            expect(fits(constraint["labelSelector"]["matchLabels"], labels), f"{where}: spreads pods of others")
    for item in of("Deployment") + of("CronJob"):
        namespace, spec = item["metadata"]["namespace"], template(item)["spec"]
        account = spec.get("serviceAccountName")
        expect(not account or ("ServiceAccount", namespace, account) in names, f"{where}: no ServiceAccount {account}")
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        for volume in volumes.values():
            if "configMap" in volume:
                expect(("ConfigMap", namespace, volume["configMap"]["name"]) in names, f"{where}: no ConfigMap {volume['configMap']['name']}")
        for container in spec["containers"]:
            for mount in container.get("volumeMounts", []):
                expect(mount["name"] in volumes and mount.get("readOnly"), f"{where}: mount {mount}")
            ports = {port["name"] for port in container.get("ports", [])}
            for probe in ["livenessProbe", "readinessProbe"]:
                get = container.get(probe, {}).get("httpGet")
                expect(not get or get["port"] in ports, f"{where}: {probe} asks a port without that name")
    for item in of("Service"):
        found = [pod for namespace, pod in pods if namespace == item["metadata"]["namespace"] and fits(item["spec"]["selector"], pod["metadata"]["labels"])]
        expect(len(found) == 1, f"{where}: Service {item['metadata']['name']} selects {len(found)} kinds of pods")
        for port in item["spec"]["ports"]:
            open_ports = {it["name"] for pod in found for container in pod["spec"]["containers"] for it in container["ports"]}
            expect(port["targetPort"] in open_ports, f"{where}: Service {item['metadata']['name']}: no port {port['targetPort']}")
    for kind, selector in [("PodDisruptionBudget", lambda it: it["spec"]["selector"]), ("NetworkPolicy", lambda it: it["spec"]["podSelector"])]:
        for item in of(kind):
            found = [pod for namespace, pod in pods if namespace == item["metadata"]["namespace"] and fits(selector(item)["matchLabels"], pod["metadata"]["labels"])]
            expect(len(found) == 1, f"{where}: {kind} selects {len(found)} kinds of pods")
    for item in of("HorizontalPodAutoscaler"):
        to = item["spec"]["scaleTargetRef"]
        expect((to["kind"], item["metadata"]["namespace"], to["name"]) in names, f"{where}: HPA {item['metadata']['name']} scales nothing")


def metriclet(where, items, develop):
    """Checks of Metriclet's own objects."""
    of = lambda kind: {item["metadata"]["name"]: item for item in items if item["kind"] == kind}
    [namespace] = of("Namespace").values()
    expect(namespace["metadata"]["name"] == "custom-metrics", f"{where}: namespace {namespace['metadata']['name']}")
    deployment, service = of("Deployment")["custom-metrics-apiserver"], of("Service")["custom-metrics-apiserver"]
    expect([(port["port"], port["targetPort"], port["appProtocol"]) for port in service["spec"]["ports"]] == [(443, "https", "https")], f"{where}: ports of the Service")
    spec = deployment["spec"]["template"]["spec"]
    [container] = spec["containers"]
    flags = dict(argument.removeprefix("--").split("=", 1) for argument in container["args"] if "=" in argument)
    expect([port["containerPort"] for port in container["ports"]] == [int(flags["secure-port"])], f"{where}: the port is not the one listened on")
    mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
    for flag in ["config", "tls-cert-file", "tls-private-key-file"]:
        expect(str(pathlib.PurePath(flags[flag]).parent) in mounted, f"{where}: --{flag} is not in a mounted folder")
    for probe, path in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]:
        expect(container[probe]["httpGet"] == {"scheme": "HTTPS", "port": "https", "path": path}, f"{where}: {probe}")
    # Ten seconds of further serving, and ten for requests in progress: limits.rs.
    delay = int(flags["shutdown-delay-duration"].removesuffix("s"))
    expect(spec["terminationGracePeriodSeconds"] > delay + 10, f"{where}: the grace period ends before shutdown does")
    rolling = deployment["spec"]["strategy"]["rollingUpdate"]
    expect(develop or rolling["maxUnavailable"] == 0, f"{where}: a rollout could leave no ready pod")
    host_ports = [port for port in container["ports"] if "hostPort" in port]
    expect(not host_ports or rolling["maxSurge"] == 0, f"{where}: two pods cannot have one port of a node")
    services = of("APIService")
    priorities = {name: item["spec"]["versionPriority"] for name, item in services.items()}
    external = {"v1beta1.external.metrics.k8s.io": 100} if "external-metrics" in str(where) else {}
    expect(priorities == {"v1beta1.custom.metrics.k8s.io": 100, "v1beta2.custom.metrics.k8s.io": 200} | external, f"{where}: APIServices")
    for name, item in services.items():
        it = item["spec"]
        expect(name == f"{it['version']}.{it['group']}", f"{where}: {name}")
        expect(it["service"] == {"namespace": "custom-metrics", "name": "custom-metrics-apiserver", "port": 443}, f"{where}: {name} leads elsewhere")
        expect("insecureSkipTLSVerify" not in it and it.get("caBundle", "x"), f"{where}: {name} skips verification")
    renewal(where, items)
    injected = ["cert-manager.io/inject-ca-from" in it["metadata"].get("annotations", {}) for it in services.values()]
    certificates = of("Certificate")
    expect(all(injected) == bool(certificates) and len(set(injected)) == 1, f"{where}: certificates are made and not injected, or the reverse")
    if certificates:
        certificate = certificates["custom-metrics-apiserver"]
        secrets = [volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume]
        expect([certificate["spec"]["secretName"]] == secrets, f"{where}: the certificate goes elsewhere")
        expect("custom-metrics-apiserver.custom-metrics.svc" in certificate["spec"]["dnsNames"], f"{where}: the certificate is for others")
    for item in items:
        if item["metadata"].get("namespace", "custom-metrics") != "default":
            expect(item["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") == "metriclet", f"{where}: scripts/remove would leave {item['kind']} {item['metadata']['name']}")
    for name, item in of("ConfigMap").items():
        if name == "custom-metrics-config":
            configuration(where, item["data"]["metrics.yaml"])


def renewal(where, items):
    """The CronJob may change only the Secret that the pods mount, and the APIServices."""
    of = lambda kind: {item["metadata"]["name"]: item for item in items if item["kind"] == kind}
    jobs = of("CronJob")
    expect(bool(jobs) == ("certificate-renewal" in str(where) or where == "production"), f"{where}: CronJobs {list(jobs)}")
    for name, item in jobs.items():
        expect(item["spec"]["concurrencyPolicy"] == "Forbid" and "suspend" not in item["spec"], f"{where}: {name} may not run, or twice")
        mounted = [volume["secret"]["secretName"] for pods in of("Deployment").values() for volume in template(pods)["spec"].get("volumes", []) if "secret" in volume]
        [secrets] = of("Role")[name]["rules"]
        expect(secrets["resourceNames"] == mounted, f"{where}: {name} renews {secrets['resourceNames']}, pods mount {mounted}")
        reads, changes = of("ClusterRole")[name]["rules"]
        expect((reads["verbs"], changes["verbs"]) == (["get"], ["patch"]), f"{where}: {name} may {reads['verbs']}, {changes['verbs']}")
        expect(sorted(changes["resourceNames"]) == sorted(of("APIService")), f"{where}: {name} may change {changes['resourceNames']}")


def configuration(where, text):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        done = subprocess.run([os.environ["METRICLET"], "check", file.name], capture_output=True, text=True)
    expect(done.returncode == 0, f"{where}: metrics.yaml: {done.stderr}")
    checked["configurations"] += 1


def resources(rule):
    """The resources that a rule describes, or "external"."""
    if rule.get("external"):
        return ["external"]
    return [rule["object"]] if isinstance(rule["object"], str) else rule["object"]


def recipe(path):
    """The HPA requests metrics of the rules on the same page."""
    blocks = [yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", path.read_text(), re.M | re.S)]
    [rules] = [block["metrics"] for block in blocks if "metrics" in block]
    served = {(resource, rule["name"]) for rule in rules for resource in resources(rule)}
    for hpa in [block for block in blocks if "kind" in block]:
        for metric in hpa["spec"]["metrics"]:
            kind = metric.get("object", {}).get("describedObject", {}).get("kind", "Pod")
            name = metric[metric["type"].lower()]["metric"]["name"]
            resource = {"Ingress": "ingresses.networking.k8s.io", "Deployment": "deployments.apps", "StatefulSet": "statefulsets.apps"}.get(kind, f"{kind.lower()}s")
            expect((resource, name) in served, f"{path.name}: no rule serves {name} of {kind}")
        checked["recipes"] += 1


def rights(items):
    """One line for each right and each binding, as in docs/rbac.md."""
    for item in items:
        kind, name = item["kind"], item["metadata"]["name"]
        if kind in ["ClusterRole", "Role"]:
            for rule in item["rules"]:
                what = rule.get("nonResourceURLs") or [f"{resource}.{group}" if group else resource for group in rule["apiGroups"] for resource in rule["resources"]]
                named = f" ({', '.join(rule['resourceNames'])})" if "resourceNames" in rule else ""
                yield f"{kind} {name}: {', '.join(rule['verbs'])} {', '.join(what)}{named}"
        elif kind in ["ClusterRoleBinding", "RoleBinding"]:
            namespace = f" in {item['metadata']['namespace']}" if kind == "RoleBinding" else ""
            for subject in item["subjects"]:
                yield f"{kind} {name}{namespace}: {item['roleRef']['kind']} {item['roleRef']['name']} to {subject['namespace']}/{subject['name']}"


def main():
    components = sorted(path.parent.name for path in (MANIFESTS / "components").glob("*/kustomization.yaml"))
    folders = {path.parent: "develop" in path.parent.name for path in MANIFESTS.glob("overlays/*/kustomization.yaml")}
    expect(len(components) == 9 and len(folders) == 2, f"found {components} and {list(folders)}")
    everything = []
    with tempfile.TemporaryDirectory(dir=os.environ["METRICLET_WORK"]) as work:
        to = os.path.relpath(MANIFESTS, pathlib.Path(work).resolve() / "x")
        # Each pair of components, alone and with all others but one; faults of only three together are not covered.
        for count in (0, 1, 2, len(components) - 1, len(components)):
            for chosen in itertools.combinations(components, count):
                folder = pathlib.Path(work, "+".join(("base",) + chosen))
                folder.mkdir()
                lines = {"resources": [f"{to}/base"], "components": [f"{to}/components/{name}" for name in sorted(chosen, key=lambda name: (name != "certificate-renewal", name != "external-metrics"))]}
                (folder / "kustomization.yaml").write_text(json.dumps(lines))
                folders[folder] = "develop" in chosen
        for folder, develop in folders.items():
            where = folder.name
            items = build(folder)
            everything += items
            references(where, items)
            metriclet(where, items, develop)
    samples = build(MANIFESTS / "samples")
    references("samples", samples)
    hpas = [yaml.safe_load(path.read_text()) for path in sorted((MANIFESTS / "samples").glob("hpa-*.yaml"))]
    served = yaml.safe_load((MANIFESTS / "overlays/develop/metrics.yaml").read_text())["metrics"]
    rules = {(resource, rule["name"]) for rule in served for resource in ([rule["object"]] if isinstance(rule["object"], str) else rule["object"])}
    for hpa in hpas:
        for metric in hpa["spec"]["metrics"]:
            kind = metric.get("object", {}).get("describedObject", {}).get("kind", "Pod")
            name = metric[metric["type"].lower()]["metric"]["name"]
            expect((f"{kind.lower()}s", name) in rules, f"{hpa['metadata']['name']}: no rule serves {name} of {kind}")
    seen = set()
    for item in everything + samples + hpas:
        text = json.dumps(item, sort_keys=True)
        if text not in seen:
            seen.add(text)
            schema("manifests", item)
            images("manifests", item)
    checked["objects"] = len(seen)
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/recipes/*.md")]):
        for text in re.findall(r"^```yaml\n(apiVersion:.*?)^```$", path.read_text(), re.M | re.S):
            for item in yaml.safe_load_all(text):
                if not item["apiVersion"].startswith("kustomize"):
                    schema(path.name, item)
                    checked["documented"] += 1
    for path in sorted(ROOT.glob("docs/recipes/*.md")):
        if path.name != "README.md":
            recipe(path)
    listed = set(re.findall(r"^((?:Cluster)?Role(?:Binding)? .*)$", (ROOT / "docs/rbac.md").read_text(), re.M))
    found = set(rights(everything))
    for line in sorted(found - listed):
        expect(False, f"docs/rbac.md does not list: {line}")
    for line in sorted(listed - found):
        expect(False, f"docs/rbac.md lists what no manifest has: {line}")
    for problem in problems:
        print(problem)
    print(json.dumps(checked))
    return 1 if problems else 0


sys.exit(main())
